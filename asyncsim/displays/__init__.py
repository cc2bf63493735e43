"""Displays of work in progress: in a notebook, on a terminal, or as lines."""

from asyncsim.displays.choose import choose_display
from asyncsim.displays.figures import Count, Figures, Load, Phase, Tone, load_counts
from asyncsim.displays.show import Display, Work, drawn, show

__all__ = [
    "Count",
    "Display",
    "Figures",
    "Load",
    "Phase",
    "Tone",
    "Work",
    "choose_display",
    "drawn",
    "load_counts",
    "show",
]
