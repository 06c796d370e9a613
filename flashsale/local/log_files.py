"""Log files of bounded size: programs write into pipes, and the process that started them into the files.

A file that is full is renamed, and a new one begun, between two lines: nothing is lost, as it would be when a file were
truncated while a program writes into it. A disk that is full costs lines, which are counted, and ends no program.
"""

import contextlib
import fcntl
import itertools
import os
import selectors
import time
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 5 * 1024 * 1024
# Older files of each log: name.log.1 is the newest.
OLDER_FILES = 2
# Room for what programs write while this process does something else, in bytes (Linux).
PIPE_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024


class LogFile:
    """A log, and the older files of it."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._descriptor = -1
        self._size = 0
        self._ends_line = False
        self._lost_bytes = 0

    def write(self, data: bytes) -> None:
        """Add data to the log, or count it where it cannot be written."""
        try:
            self._open()
            if self._lost_bytes:
                self._append(f"[{self._lost_bytes} bytes of this log could not be written]\n".encode())
                self._lost_bytes = 0
            while self._size + len(data) > self._max_bytes and (self._size or b"\n" in data):
                end = self._end_of_lines(data)
                self._append(data[:end])
                data = data[end:]
                self.begin_anew()
                self._open()
            self._append(data)
        except OSError:
            self._lost_bytes += len(data)
            self.close()

    def begin_anew(self) -> None:
        """Rename the log to the newest of its older files, the oldest of which is removed. Raises `OSError`."""
        self.close()
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, OLDER_FILES + 1))]
        for name, older in reversed(list(itertools.pairwise(names))):
            if name.exists():
                name.replace(older)

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _end_of_lines(self, data: bytes) -> int:
        """Return where the last whole line ends that has room in the file, or else the line that the file began.

        0 where there is neither; a line that is longer than a file is the whole of one.
        """
        room = max(0, self._max_bytes - self._size)
        has_whole_lines = self._size and self._ends_line
        return data.rfind(b"\n", 0, room) + 1 or (0 if has_whole_lines else data.find(b"\n") + 1)

    def _open(self) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._size = os.fstat(self._descriptor).st_size
            self._ends_line = False

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            self._size += written
            self._ends_line = rest[written - 1] == ord("\n")
            rest = rest[written:]


class LogPipes:
    """The pipes of some programs, each with its file. What they write is in the files after `pump` or `drain`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    @contextlib.contextmanager
    def writing_to(self, file: LogFile) -> Iterator[int]:
        """Give the descriptor that a program is started with as its output."""
        reading, writing = os.pipe()
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, file)
        try:
            yield writing
        finally:
            os.close(writing)

    def pump(self, seconds: float) -> None:
        """Write what comes within `seconds`; this process sleeps meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._write_ready(left)

    def drain(self) -> None:
        """Write what has come so far."""
        while self._write_ready(0):
            pass

    def close(self) -> None:
        """Write what has come so far, and close everything."""
        self.drain()
        for key in list(self._selector.get_map().values()):
            self._close(key)

    def _write_ready(self, seconds: float) -> bool:
        """Wait for data, and write it; say whether there was any."""
        ready = self._selector.select(seconds)
        for key, _ in ready:
            data = os.read(key.fd, CHUNK_BYTES)
            if data:
                key.data.write(data)
            else:
                self._close(key)
        return bool(ready)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        key.data.close()
