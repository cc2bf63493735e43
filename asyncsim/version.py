"""The version, defined only here; the build reads it, so a copy without metadata has it, too."""

__version__ = "0.1.0"
