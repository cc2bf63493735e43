"""Hours of waiting in seconds: an event loop whose time jumps, and a vendor that lives in it."""
