"""Super SIM, one file per kind."""
