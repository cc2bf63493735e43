"""A vendor in a process of its own that takes its time, at real sockets: what was simulated."""
