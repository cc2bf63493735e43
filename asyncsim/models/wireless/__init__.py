"""Programmable Wireless: SIDs of Sims start with DE."""
