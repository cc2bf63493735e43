"""The version, written here once; the build reads it, so a copy without metadata knows it too."""

__version__ = "0.1.0"
