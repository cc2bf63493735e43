"""Programmable Wireless, one file per kind."""
