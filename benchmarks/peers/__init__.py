"""The peers' side of each comparison: what a user would write with something else."""
