"""Verbs on resources: one short file per kind, the mechanics beside them."""
