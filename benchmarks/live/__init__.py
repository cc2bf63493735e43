"""The simulated vendor over real sockets, in its own process."""
