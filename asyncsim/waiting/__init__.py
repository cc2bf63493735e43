"""The shared watcher: one per client and product, for any number of waits.

Independent of URLs and JSON: its owner passes `fetch`, `rows` and the callbacks.
"""

from asyncsim.waiting.sweeps import ListPage, ListRow
from asyncsim.waiting.watcher import Watcher

__all__ = ["ListPage", "ListRow", "Watcher"]
