"""Many worlds at once, each in a child process of its own that ends with it."""

from __future__ import annotations

import gc
import json
import os
import selectors
from collections.abc import Callable, Generator, Iterable, Iterator

from attrs import asdict

from tests.simulation.universe import live
from tests.simulation.verdict import BROKEN, Verdict


def lives(
    seeds: Iterable[int], *, at_once: int, before: Callable[[], object] = lambda: None
) -> Generator[Verdict, None, None]:
    """Let a world live for each seed; verdicts come as they are reached.

    `before` is called in each child first. What a child has changed dies with it, and one that
    hangs or crashes costs its own seed alone.
    """
    gc.collect()
    gc.freeze()  # what all worlds share is not looked through again in each
    waiting = iter(seeds)
    with selectors.DefaultSelector() as open_ones:
        try:
            while _fill(waiting, open_ones, at_once, before):
                for key, _ in open_ones.select():
                    child: _Child = key.data
                    if child.read():
                        continue
                    open_ones.unregister(child.pipe)
                    yield child.end()
        finally:
            for key in [*open_ones.get_map().values()]:
                key.data.kill()


def _fill(
    waiting: Iterator[int],
    open_ones: selectors.BaseSelector,
    at_once: int,
    before: Callable[[], object],
) -> bool:
    while len(open_ones.get_map()) < at_once and (seed := next(waiting, None)) is not None:
        child = _Child(seed, before)
        open_ones.register(child.pipe, selectors.EVENT_READ, child)
    return bool(open_ones.get_map())


class _Child:
    """One world's process, and what it has told so far."""

    def __init__(self, seed: int, before: Callable[[], object]) -> None:
        self._seed = seed
        self._told = b""
        self.pipe, writer = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            os.close(self.pipe)
            _live(seed, writer, before)
        os.close(writer)

    def read(self) -> bool:
        """Take what has come; False at the end."""
        some = os.read(self.pipe, 1 << 16)
        self._told += some
        return bool(some)

    def end(self) -> Verdict:
        """Its verdict, or that it died without one."""
        os.close(self.pipe)
        _, status = os.waitpid(self._process, 0)
        try:
            return Verdict(**json.loads(self._told))
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            return Verdict(seed=self._seed, faults=[f"{BROKEN}: exit code {code}, and no verdict"])

    def kill(self) -> None:
        """End it."""
        os.kill(self._process, 9)
        os.close(self.pipe)
        os.waitpid(self._process, 0)


def _live(seed: int, writer: int, before: Callable[[], object]) -> None:
    """Live one world and never come back; nothing is tidied up, as all of it ends here."""

    def done(verdict: Verdict) -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(asdict(verdict)).encode())
        os._exit(0)

    try:
        before()
        live(seed, done)
    except BaseException as error:  # noqa: BLE001  # a child must not return into its parent's work
        done(Verdict(seed=seed, faults=[f"{BROKEN}: {error!r}"]))
    os._exit(1)
