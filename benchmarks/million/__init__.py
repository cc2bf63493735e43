"""A job of a million SIMs: how much memory it takes. `python -m benchmarks.million`."""
