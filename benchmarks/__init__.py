"""Benchmarks of asyncsim and its alternatives, with the same work in the same run."""
