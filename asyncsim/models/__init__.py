"""Records, typed keywords and one `Kind` for each resource; no I/O."""
