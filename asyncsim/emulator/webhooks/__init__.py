"""KORE webhooks, one file per kind."""
