"""Super SIM: SIDs of Sims start with HS."""
