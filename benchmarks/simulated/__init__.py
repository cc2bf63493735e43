"""Simulated time: an event loop whose time jumps, and a vendor that runs in it."""
