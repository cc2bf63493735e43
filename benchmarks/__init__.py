"""Benchmarks: asyncsim and its alternatives, on the same work in the same run."""
