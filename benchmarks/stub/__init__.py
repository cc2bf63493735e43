"""A server fast enough not to be the limit: canned responses, in a process of its own."""
