"""Decision logic without I/O: retries, concurrency, polling, goals, states of waits."""
