"""Decisions, never an await: what to retry, how many at once, what to ask next, what it means."""
