"""The shared watcher: one per client and product, for any number of waits.

It learns of a finished transition from a callback, from a sweep of the list, or from a single
read, whichever is cheapest, and gives every fact to the waits' machines (`core.transition`). One
task drives all waits; there is no task and no timer per wait. It knows neither URLs nor JSON: it
is given `fetch`, `rows` and callbacks.
"""

from asyncsim.waiting.rows import Row, RowPage, Rows
from asyncsim.waiting.watcher import Watcher

__all__ = ["Row", "RowPage", "Rows", "Watcher"]
