"""A server fast enough not to be the bottleneck: canned responses, in its own process."""
