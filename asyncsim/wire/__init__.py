"""Text to shapes and back; no sockets, no verbs."""
