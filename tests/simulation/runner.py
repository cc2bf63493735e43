"""Runner of many worlds in parallel, each in a child process of its own."""

from __future__ import annotations

import gc
import json
import os
import selectors
from collections.abc import Callable, Generator, Iterable, Iterator

from attrs import asdict

from tests.simulation.result import BROKEN, WorldResult
from tests.simulation.universe import run_world


def run_worlds(
    seeds: Iterable[int], *, parallel: int, before: Callable[[], object] = lambda: None
) -> Generator[WorldResult, None, None]:
    """Run a world for each seed; results come as the worlds end.

    `before` is called in each child first. What a child has changed dies with it, and one that
    hangs or crashes costs its own seed alone.
    """
    gc.collect()
    gc.freeze()  # so that no child collects what all share
    waiting = iter(seeds)
    with selectors.DefaultSelector() as open_ones:
        try:
            while _fill(waiting, open_ones, parallel, before):
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
    parallel: int,
    before: Callable[[], object],
) -> bool:
    while len(open_ones.get_map()) < parallel and (seed := next(waiting, None)) is not None:
        child = _Child(seed, before)
        open_ones.register(child.pipe, selectors.EVENT_READ, child)
    return bool(open_ones.get_map())


class _Child:
    """One world's process, and the output so far."""

    def __init__(self, seed: int, before: Callable[[], object]) -> None:
        self._seed = seed
        self._output = b""
        self.pipe, writer = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            os.close(self.pipe)
            _live(seed, writer, before)
        os.close(writer)

    def read(self) -> bool:
        """Read what has arrived; False at the end."""
        some = os.read(self.pipe, 1 << 16)
        self._output += some
        return bool(some)

    def end(self) -> WorldResult:
        """Its result, or one that says that it ended without."""
        os.close(self.pipe)
        _, status = os.waitpid(self._process, 0)
        try:
            return WorldResult(**json.loads(self._output))
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            return WorldResult(
                seed=self._seed, violations=[f"{BROKEN}: exit code {code}, no result"]
            )

    def kill(self) -> None:
        """Kill it."""
        os.kill(self._process, 9)
        os.close(self.pipe)
        os.waitpid(self._process, 0)


def _live(seed: int, writer: int, before: Callable[[], object]) -> None:
    """Run one world and never return; nothing is cleaned up, since the process ends here."""

    def done(result: WorldResult) -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(asdict(result)).encode())
        os._exit(0)

    try:
        before()
        run_world(seed, done)
    except BaseException as error:  # noqa: BLE001  # a child must not return into its parent's work
        done(WorldResult(seed=seed, violations=[f"{BROKEN}: {error!r}"]))
    os._exit(1)
