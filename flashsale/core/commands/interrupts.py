"""Ctrl-C, SIGTERM and SIGHUP: recorded when they come, acted on where a program can be left cleanly.

An exception that a signal handler raises can be lost: Python drops what is raised in a callback of fork, of a weak
reference (importing modules uses some) or of the garbage collector. It can also hit between two statements that belong
together, such as starting a process and noting that it runs. A program that starts others therefore holds these
signals first of all, and calls `interrupts.check` at its safe points: between its steps, and while it waits.

Source: "Note on Signal Handlers and Exceptions", https://docs.python.org/3/library/signal.html
"""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """One of `SIGNALS` came; `exit_code` is what a shell reports for it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class _Interrupts:
    """The signals of this process. Its main thread holds and releases them."""

    def __init__(self) -> None:
        self._previous: dict[int, object] = {}
        self._came: int | None = None

    def hold(self) -> None:
        """From now on record `SIGNALS` only, also those that the kernel kept because they were blocked."""
        for number in SIGNALS:
            is_nohup = number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
            if number not in self._previous and not is_nohup:
                self._previous[number] = signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def check(self) -> None:
        """Raise `Interrupted` when a signal came since they are held: this is a safe point."""
        if self._came is not None:
            raise Interrupted(self._came)

    def release(self) -> None:
        """Give the signals back to their former handlers. Raises `Interrupted` when one came meanwhile."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        came, self._came = self._came, None
        if came is not None:
            raise Interrupted(came)

    def finish(self) -> None:
        """Ignore signals that are still held: everything is stopped, and the interpreter's own end is no safe point."""
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._came is None:
            self._came = number


interrupts = _Interrupts()
