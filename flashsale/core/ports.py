"""TCP ports that are to have one server: a second one is refused before it answers a part of the connections.

Source: socket(7), SO_REUSEADDR and SO_REUSEPORT; unix(7), abstract names.
"""

import errno
import os
import socket
import sys


class PortTaken(Exception):
    """A port cannot be listened on; the message says which one, and why, without a full stop."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"Port {port} of {host} cannot be used ({error.strerror})")


def refuse_taken(host: str, port: int) -> None:
    """Raise `PortTaken` when another program listens there, also one that would share the port."""
    try:
        [(family, kind, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            # A connection that was just closed does not keep the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise PortTaken(host, port, error) from error


def claim(host: str, port: int) -> socket.socket:
    """Do what `refuse_taken` does, also for a server that has claimed the port and does not listen yet.

    The claim lasts until the socket that is returned is closed, in every process that inherited it.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if sys.platform == "linux":
            _lock(lock, host, port)
        refuse_taken(host, port)
    except BaseException:
        lock.close()
        raise
    return lock


def _lock(lock: socket.socket, host: str, port: int) -> None:
    """Bind a name that belongs to the network namespace, as ports do, and that no crash leaves behind."""
    try:
        lock.bind(f"\0flashsale-{host}-{port}")
    except OSError as error:
        raise PortTaken(host, port, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))) from error
