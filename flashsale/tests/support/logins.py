"""Log-ins of staff, as tests make them."""

import itertools
import threading

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.urls import reverse

from flashsale.tests.support.processes import WAIT_SECONDS

LOGIN = "/admin/login/"
_addresses = (f"198.18.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


def new_address() -> str:
    """Return an IP address that no other test of this process used."""
    return next(_addresses)


def log_in(client, password: str = "secret-1", *, name: str = "ann", address: str, **fields):
    """Post the log-in form from an address; return the answer."""
    form = {"username": name, "password": password} | fields
    return client.post(LOGIN, form, REMOTE_ADDR=address)


def log_out(client) -> None:
    """Post the log-out form; the test client's own `logout` would delete all cookies."""
    client.post(reverse("admin:logout"))


class SlowHashing:
    """Replaces the hash: each call records its thread's database connection and lasts until `finish` is set."""

    def __init__(self, monkeypatch, *, finish: bool = False) -> None:
        self.connections: list[object] = []
        self.begun = threading.Semaphore(0)
        self.finish = threading.Event()
        if finish:
            self.finish.set()
        monkeypatch.setattr(PBKDF2PasswordHasher, "encode", self._encode)

    def _encode(self, password, salt, iterations=None) -> str:
        self.connections.append(connection.connection)
        self.begun.release()
        assert self.finish.wait(WAIT_SECONDS)
        return f"pbkdf2_sha256$1${salt}${password}"
