"""Monitor, one file per kind."""
