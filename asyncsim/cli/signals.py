"""What Ctrl-C and SIGTERM do: end a command, or let a job drain first."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: cancel the command."""
    loop, task = asyncio.get_running_loop(), _current()
    installed = _install(loop, signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        if installed:
            loop.remove_signal_handler(signal.SIGTERM)


@contextlib.contextmanager
def draining(first: Callable[[], object]) -> Iterator[None]:
    """Call `first` at the first Ctrl-C or SIGTERM; the second cancels the command."""
    loop, task, before = asyncio.get_running_loop(), _current(), signal.getsignal(signal.SIGINT)
    hits = iter((first,))
    for name in _ours(before):
        _install(loop, name, lambda: next(hits, task.cancel)())
    try:
        yield
    finally:
        for name in _ours(before):
            loop.remove_signal_handler(name)
        _install(loop, signal.SIGTERM, task.cancel)  # as it was: the command has not ended
        with contextlib.suppress(ValueError):  # only the main thread may
            # Not the loop's to know: asyncio.run had put its own handler there.
            signal.signal(signal.SIGINT, before)


def _ours(interrupt: object) -> tuple[signal.Signals, ...]:
    # A job in the background of a script ignores Ctrl-C, which is meant for what is in front.
    return (signal.SIGTERM,) if interrupt is signal.SIG_IGN else (signal.SIGTERM, signal.SIGINT)


def _install(
    loop: asyncio.AbstractEventLoop, name: signal.Signals, call: Callable[[], object]
) -> bool:
    try:
        loop.add_signal_handler(name, call)
    except (NotImplementedError, RuntimeError, ValueError):
        return False  # Windows has none; and only the main thread may
    return True


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # always run in one
    return task
