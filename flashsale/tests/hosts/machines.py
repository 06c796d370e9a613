"""The shop on its hosts: three web hosts, two of workers, two of beats, and everything that they need."""

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial

import httpx
from django.db import connection

from flashsale.core import webhook_signatures
from flashsale.models import BeatLease
from flashsale.tests.hosts.addresses import POOLER_PORT, database_url, start_balancer, start_pooler
from flashsale.tests.hosts.network import Host, Network
from flashsale.tests.hosts.postgresql import DATABASE, OWNER, PORT, Cluster
from flashsale.tests.hosts.valkey import Valkeys
from flashsale.tests.support.processes import wait_until

WEB_PORT = 8000
CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "flashsale")
QUEUES = "celery,expiry,payments,webhooks"


class Shop:
    """All hosts. Shoppers and the tests themselves are on `load`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.load = network.add("load")
        self.cluster = Cluster(network)
        self.balancer, self.pooler = network.add("balancer"), network.add("pooler")
        self.valkeys = Valkeys(network)
        self.web = [network.add(f"web{number}") for number in (1, 2, 3)]
        self.workers = [network.add(f"worker{number}") for number in (1, 2)]
        self.beats = [network.add(f"beat{number}") for number in (1, 2)]
        self._secret = webhook_signatures.new_secret()
        self.url = f"http://{self.balancer.address}"

    @property
    def webhook_key(self) -> bytes:
        """The key with which the payment provider signs."""
        return webhook_signatures.key_of(self._secret)

    def start(self) -> None:
        """Start everything; called on `load`."""
        self.cluster.start()
        self.valkeys.start()
        start_balancer(self.balancer, self.cluster.members, self.web)
        start_pooler(self.pooler, self.balancer)
        self.cluster.primary()
        self.cluster.create_databases()
        self.load.run(sys.executable, "manage.py", "migrate", "--noinput", **self.environment(self.load))
        for host in self.web + self.workers + self.beats:
            self.start_part(host)
        self.wait_until_whole()

    def start_part(self, host: Host) -> None:
        """Start what belongs on a host of the shop's own."""
        argv = [sys.executable, "-m", "flashsale.server"]
        if host in self.workers:
            argv = [*CELERY, "worker", "-Q", QUEUES, "-c", "1", "-n", f"all@{host.name}", "-l", "info"]
        elif host in self.beats:
            argv = [*CELERY, "beat", "-l", "info", "--pidfile", ""]
        host.start(*argv, **self.environment(host))

    def environment(self, host: Host) -> dict[str, str]:
        """The settings of a host: production's, without TLS and rate limits."""
        is_web = host in self.web
        return {
            "ENV_FILE": os.devnull, "STATE_DIR": str(host.folder / "none"), "SECRET_KEY": "0123456789" * 5,
            "ALLOWED_HOSTS": self.balancer.address, "SECURE_SSL_REDIRECT": "0", "TRUSTED_PROXIES": "1",
            "STANDARD_WEBHOOK_SECRETS": self._secret, "DATABASE_URL": self.database_url(host),
            "REDIS_URL": self.valkeys.url(0), "CELERY_BROKER_URL": self.valkeys.url(1),
            "HOLDS_PER_MINUTE": "0", "CHANGES_PER_MINUTE": "0", "READS_PER_MINUTE": "0",
            "WEB_HOST": "0.0.0.0", "PORT": str(WEB_PORT), "WEB_WORKERS": "1", "WEB_REQUESTS": "64",
            "DATABASE_POOL_MAX": "6" if is_web else "0",
            # Of the one that goes through PgBouncer.
            "DATABASE_POOLER": "1" if host is self.web[2] else "0",
        }  # fmt: skip

    def database_url(self, host: Host) -> str:
        """The three ways to PostgreSQL: the balancer; PgBouncer before it; both servers by name."""
        if host is self.web[1]:
            return database_url(*(member.host.address for member in self.cluster.members))
        if host is self.web[2]:
            return database_url(self.pooler.address, port=POOLER_PORT)
        return database_url(self.balancer.address)

    def wait_until_whole(self) -> None:
        """Wait until every part works that is needed for the next fault."""
        for name, is_whole in {
            "PostgreSQL": self.cluster.is_whole, "Valkey": self.valkeys.is_whole,
            **{host.name: partial(_is_ready, host) for host in self.web},
        }.items():  # fmt: skip
            wait_until(lambda is_whole=is_whole: self.failed() or is_whole(), what=f"{name} is ready")
        assert not self.failed(), self.failed()

    def leading_beat(self) -> Host:
        """The host of the beat that sends the tasks."""
        name = BeatLease.objects.get().host
        return next(host for host in self.beats if host.name == name)

    def failed(self) -> list[str]:
        """The programs that ended unasked: no fault of another host ends one."""
        return [sentence for host in self.network.hosts.values() for sentence in host.ended()]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within the context this thread is on `load`, and Django's database is the shop's."""
        there = {"HOST": self.balancer.address, "PORT": str(PORT), "NAME": DATABASE, "USER": OWNER, "PASSWORD": ""}
        here = {name: connection.settings_dict[name] for name in there}
        connection.close()
        connection.settings_dict.update(there)
        try:
            with self.load.entered():
                yield
        finally:
            connection.close()
            connection.settings_dict.update(here)


def _is_ready(host: Host) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"http://{host.address}:{WEB_PORT}/readyz", timeout=5, trust_env=False)
        return answer.is_success and answer.json()["status"] == "ok"
    return False


@contextlib.contextmanager
def open_shop() -> Iterator[Shop]:
    """Run the shop; gives it when all its hosts are ready."""
    network = Network()
    try:
        shop = Shop(network)
        with shop.entered():
            shop.start()
            yield shop
    finally:
        network.close()
