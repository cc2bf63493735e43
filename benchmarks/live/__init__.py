"""The simulated vendor at real sockets, in a process of its own."""
