"""Resources of the API: typed verbs per kind in one folder per product, and their machinery."""
