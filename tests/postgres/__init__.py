"""Real PostgreSQL servers for tests, and the tests of `asyncsim.postgres`."""
