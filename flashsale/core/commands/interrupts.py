"""Ctrl-C, SIGTERM and SIGHUP: recorded when they arrive, acted on where a program can end cleanly.

An exception that a signal handler raises can be lost: Python drops what is raised in a callback of fork, of a weak
reference (importing modules uses some) or of the garbage collector. It can also hit between two statements that belong
together, such as starting a process and recording that it runs. A program that starts others therefore holds these
signals first of all, and calls `interrupts.check` at its safe points: between its steps, and while it waits.

Source: "Note on Signal Handlers and Exceptions", https://docs.python.org/3/library/signal.html
"""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """One of `SIGNALS` was received; `exit_code` is what a shell reports for it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class _Interrupts:
    """The signals of this process. Its main thread holds and releases them."""

    def __init__(self) -> None:
        self._previous: dict[int, Handler] = {}
        self._received: int | None = None

    def hold(self) -> None:
        """From now on only record `SIGNALS`, also those that are pending because they were blocked."""
        for number in SIGNALS:
            is_nohup = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
            if number not in self._previous and not is_nohup:
                self._previous[number] = signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def check(self) -> None:
        """Raise `Interrupted` when a signal was received since `hold`: call this at a safe point."""
        if self._received is not None:
            raise Interrupted(self._received)

    def release(self) -> None:
        """Restore the former handlers. Raises `Interrupted` when a signal was received since `hold`."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        received, self._received = self._received, None
        if received is not None:
            raise Interrupted(received)

    def finish(self) -> None:
        """Ignore the held signals from now on: everything is stopped, and the interpreter's exit is no safe point."""
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._received is None:
            self._received = number


interrupts = _Interrupts()
