"""Addresses of Sentinels: of ours, `redis+sentinel://`, and of Celery's broker as kombu writes them.

Source: https://docs.celeryq.dev/projects/kombu/en/stable/reference/kombu.transport.redis.html, "Sentinel"
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

PLAIN, WITH_TLS, KOMBUS = "redis+sentinel", "rediss+sentinel", "sentinel"
SENTINEL_PORT = 26379
# In the configuration that Valkey comes with.
USUAL_MASTER = "mymaster"

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_MASTER = re.compile(r"[A-Za-z0-9_.-]+")
_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})


@dataclass(frozen=True)
class SentinelAddress:
    """The sentinels, and the database of the master that they watch."""

    sentinels: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    # What the sentinels themselves ask for.
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    # redis-py's options of TLS, to the sentinels and to the master; None without TLS.
    tls: dict[str, str] | None = None

    @property
    def kombu_url(self) -> str:
        """The broker's URL as kombu writes it; each part has all of it, because kombu may begin with any."""
        user = f"{quote(self.username or '', safe='')}:{quote(self.password or '', safe='')}@"
        user = "" if user == ":@" else user
        hosts = (f"[{host}]" if ":" in host else host for host, _ in self.sentinels)
        ports = (port for _, port in self.sentinels)
        return ";".join(
            f"{KOMBUS}://{user}{host}:{port}/{self.database}" for host, port in zip(hosts, ports, strict=True)
        )


def is_sentinel(url: str) -> bool:
    """Say whether a URL names sentinels in the form that `parse` reads."""
    return url.partition("://")[0] in {PLAIN, WITH_TLS}


def parse(url: str) -> SentinelAddress:
    """Parse `redis+sentinel://[user:password@]host[:port],host[:port]/master[/database]`; `rediss+sentinel` uses TLS.

    Options are `sentinel_username`, `sentinel_password`, and with TLS redis-py's `ssl_...`. Raises `ValueError`; its
    message may quote the URL.
    """
    parts = urlsplit(url)
    options = _options(parts.query)
    has_tls = parts.scheme == WITH_TLS
    if parts.fragment or not is_sentinel(url) or options.keys() - _OPTIONS - (TLS_OPTIONS if has_tls else set()):
        raise ValueError("not an address of sentinels")
    master, _, number = parts.path.removeprefix("/").partition("/")
    if not _MASTER.fullmatch(master):
        raise ValueError("no name of a master")
    user, hosts = _user_and_hosts(parts.netloc)
    return SentinelAddress(
        sentinels=tuple(map(_host_and_port, hosts.split(","))), master=master, database=_number(number),
        sentinel_username=options.get("sentinel_username"), sentinel_password=options.get("sentinel_password"),
        tls={name: value for name, value in options.items() if name in TLS_OPTIONS} if has_tls else None, **user,
    )  # fmt: skip


def parse_kombus(urls: str, *, default_master: str) -> SentinelAddress:
    """Parse `sentinel://host:port/database;sentinel://host:port`: what one part says holds for all.

    The options `master_name`, `sentinel_username` and `sentinel_password` may be given. Raises `ValueError`.
    """
    parts = [urlsplit(url.strip()) for url in urls.split(";")]
    options: dict[str, Any] = {}
    given: dict[str, Any] = {}
    hosts = []
    for part in parts:
        if part.scheme != KOMBUS or part.fragment:
            raise ValueError("not an address of a sentinel")
        user, host = _user_and_hosts(part.netloc)
        hosts.append(_host_and_port(host))
        options |= _options(part.query)
        number = part.path.removeprefix("/")
        new = user | ({"database": _number(number)} if number else {})
        if any(given.get(name, value) != value for name, value in new.items()):
            raise ValueError("parts that contradict each other")
        given |= new
    master = options.pop("master_name", default_master)
    if options.keys() - _OPTIONS or not _MASTER.fullmatch(master):
        raise ValueError("options that are not known")
    return SentinelAddress(tuple(hosts), master, **given, **options)


def _options(query: str) -> dict[str, Any]:
    return dict(parse_qsl(query, strict_parsing=True)) if query else {}


def _user_and_hosts(netloc: str) -> tuple[dict[str, Any], str]:
    user, _, hosts = netloc.rpartition("@")
    if "@" in user or "," in user:
        # User and password stand once, before all hosts; what is special in them is percent-encoded.
        raise ValueError("several users")
    name, _, password = user.partition(":")
    given = {"username": unquote(name), "password": unquote(password)}
    return {key: value for key, value in given.items() if value}, hosts


def _host_and_port(text: str) -> tuple[str, int]:
    url = urlsplit(f"//{text.strip()}")
    host = url.hostname or ""
    if not _HOST.fullmatch(host) or url.port == 0:
        raise ValueError("no host")
    return host, url.port or SENTINEL_PORT


def _number(text: str) -> int:
    if text and not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError("not the number of a database")
    return int(text or 0)
