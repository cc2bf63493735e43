"""A simulated world: network, clock, processes and their kills, all of it from one seed.

`python -m tests.simulation` runs it; `nox -s simulate` gives it an environment. What is simulated
and what is not: docs/reliability.md.
"""
