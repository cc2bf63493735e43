"""A server that is not the limit: canned bytes, in a process of its own."""
