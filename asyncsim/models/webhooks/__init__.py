"""Webhooks: KORE's signing secrets."""
