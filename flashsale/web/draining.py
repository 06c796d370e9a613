"""Stopping a web process without losing a request that a proxy sends in that moment.

A proxy keeps idle connections. When the web server closes one in the moment in which a request is sent on it, that
request is lost, and the proxy must not repeat a POST that may have been executed. So a process that is told to stop

1. answers for `WEB_DRAIN_SECONDS` with `Connection: close`: the proxy keeps no connection that it uses, and closes the
   others itself, because its own limit for idle ones is lower (`keepalive_timeout` of the upstreams in nginx.conf);
2. drops requests for new connections while those under way are accepted: closing a listening socket resets the
   connections in its queue. The proxy's kernel repeats the request after a second. Then the socket is closed, and the
   proxy tries another server;
3. stops as Granian does: it closes its listening socket and finishes the requests in progress.

Sources: RFC 9112, section 9.6 (closing a connection); socket(7), SO_ATTACH_FILTER; RFC 9293, section 3.8.1.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import stat
import struct
import sys
from collections.abc import Iterator

# Within one network, a handshake takes a millisecond; a busy process accepts the connection a little later.
HANDSHAKE_SECONDS = 0.25
# linux/filter.h and bpf_common.h: load byte 13 of the TCP header; with SYN set, drop the segment, else keep all of it.
_SO_ATTACH_FILTER = 26
_DROP_SYN = [(0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]


class Drain:
    """Whether this process is about to stop, and how it does."""

    def __init__(self) -> None:
        self.has_begun = False

    def install(self, loop: asyncio.AbstractEventLoop, *, seconds: int) -> None:
        """Drain for `seconds` on SIGTERM; with 0 the server's own handler stops the process at once.

        That handler stays for SIGINT.
        """
        if seconds:
            loop.add_signal_handler(signal.SIGTERM, self._begin, loop, seconds)

    def _begin(self, loop: asyncio.AbstractEventLoop, seconds: int) -> None:
        if not self.has_begun:
            self.has_begun = True
            loop.call_later(seconds, drop_new_connections)
            loop.call_later(seconds + HANDSHAKE_SECONDS, os.kill, os.getpid(), signal.SIGINT)


def drop_new_connections() -> None:
    """Let no further handshake begin on the listening sockets of this process.

    Only Linux has such filters, and not in every sandbox; without one, connections in the queue are reset.
    """
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(buffer))
    for listener in _listening_sockets():
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _listening_sockets() -> Iterator[socket.socket]:
    """Yield each listening socket of this process, also those that were not opened by Python, until the next one."""
    for name in os.listdir("/proc/self/fd"):
        # The folder's own descriptor is closed by now.
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as opened:
                if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield opened
