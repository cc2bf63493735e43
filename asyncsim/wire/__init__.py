"""Encoding and decoding of JSON, forms and records; no I/O."""
