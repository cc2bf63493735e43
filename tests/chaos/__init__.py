"""Jobs and emulators in processes of their own, killed at random moments. See `nox -s chaos`."""
