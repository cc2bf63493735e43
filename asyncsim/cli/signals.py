"""Signals: Ctrl-C, SIGTERM and SIGHUP cancel a command, or stop a job gracefully.

Handlers are Python's own, not the loop's, because Windows' loops have none. A signal that was
ignored when the command began stays ignored: SIGHUP under nohup, Ctrl-C in a background script.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_GLANCE = 0.2  # seconds
Call = Callable[[], object]


def survive_hangup() -> None:
    """Keep SIGHUP from killing this process; `on_hangup` and others say what it does instead."""
    if _HANGUP is not None and signal.getsignal(_HANGUP) is signal.SIG_DFL:
        signal.signal(_HANGUP, _do_nothing)


def ignore_hangup() -> None:
    """Keep SIGHUP from changing the exit code of a command that has ended.

    While Python exits it restores the default of every handler, but ignored signals stay ignored.
    """
    if _HANGUP is not None:
        signal.signal(_HANGUP, signal.SIG_IGN)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C: cancel the command."""
    cancel = _current().cancel
    with _handled({signal.SIGTERM: cancel, **_hangup(cancel)}):
        yield


@contextlib.contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP be the normal end of the code inside."""
    try:
        yield
    except asyncio.CancelledError:
        _current().uncancel()


@contextlib.contextmanager
def on_hangup(stop: Call) -> Iterator[None]:
    """Call `stop` at each SIGHUP, which does not end the process inside the context."""
    with _handled(_hangup(stop)):
        yield


@contextlib.contextmanager
def on_first_interrupt(first: Call) -> Iterator[None]:
    """Call `first` at the first Ctrl-C, SIGTERM or SIGHUP.

    The second Ctrl-C or SIGTERM cancels the command. A SIGHUP does not count: a closing terminal
    sends several, and none of them means "at once".
    """
    cancel = _current().cancel
    interrupts, hangups = iter((first,)), iter((first,))

    def interrupted() -> None:
        next(interrupts, cancel)()

    def hung_up() -> None:
        next(hangups, int)()

    with _handled({**dict.fromkeys(_INTERRUPTS, interrupted), **_hangup(hung_up)}):
        yield


@contextlib.contextmanager
def interrupting_question() -> Iterator[None]:
    """Let signals end a question with KeyboardInterrupt, which counts as no."""
    names = [*_INTERRUPTS, *_hangup(int)]
    with _installed(dict.fromkeys(names, signal.default_int_handler)):
        yield


def ask(question: str, longest: int = -1) -> str:
    """Ask on the terminal for one line, of at most so many characters; signals end the question."""
    with interrupting_question():
        sys.stderr.write(question)
        sys.stderr.flush()
        # A read that blocks does not notice a signal that came right before it.
        while os.name != "nt" and not select.select([sys.stdin], [], [], _GLANCE)[0]:
            pass
        return sys.stdin.readline(longest).strip()


def _hangup(call: Call) -> dict[signal.Signals, Call]:
    return {} if _HANGUP is None else {_HANGUP: call}


@contextlib.contextmanager
def _handled(calls: Mapping[signal.Signals, Call]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        # A signal may come between any two instructions, so the event loop makes the call.
        loop.call_soon_threadsafe(calls[signal.Signals(number)])

    with _installed(dict.fromkeys(calls, handle)):
        yield


@contextlib.contextmanager
def _installed(handlers: Mapping[signal.Signals, Callable[[int, Any], object]]) -> Iterator[None]:
    """Install handlers, except for signals that are ignored."""
    before: dict[signal.Signals, Any] = {}
    try:
        for name, handler in handlers.items():
            if (known := signal.getsignal(name)) is not signal.SIG_IGN:
                with contextlib.suppress(ValueError):  # only the main thread may
                    signal.signal(name, handler)
                    before[name] = known
        yield
    finally:
        for name, known in before.items():
            signal.signal(name, known or signal.SIG_DFL)  # None: a handler that is not Python's


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # always run in one
    return task
