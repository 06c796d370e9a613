"""Addresses of sentinels, the search for the master, and connections to a server that has become a replica."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
import redis
from kombu import Connection as BrokerConnection
from redis.sentinel import MasterNotFoundError

from flashsale.core.configuration import brokers
from flashsale.core.redis_servers.addresses import SentinelAddress, parse, parse_kombus
from flashsale.core.redis_servers.finding import MasterFinder
from flashsale.core.redis_servers.pools import pool_of
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.racing import at_once, times
from flashsale.tests.support.sentinels import MASTER, watched_valkey

TWO = (("s1", 26379), ("s2", 26380))


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    with watched_valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis+sentinel://s1,s2:26380/shop", SentinelAddress(TWO, "shop")),
        (
            "redis+sentinel://u:p%40%2F@s1:26379,s2:26380/shop/3?sentinel_username=w&sentinel_password=x%26",
            SentinelAddress(TWO, "shop", 3, "u", "p@/", "w", "x&"),
        ),
        ("redis+sentinel://:pw@[::1]:1/a.b-c", SentinelAddress((("::1", 1),), "a.b-c", password="pw")),
        ("rediss+sentinel://s1,s2:26380/shop", SentinelAddress(TWO, "shop", tls={})),
        (
            "rediss+sentinel://s1,s2:26380/shop/0?ssl_ca_certs=/run/ca.pem",
            SentinelAddress(TWO, "shop", tls={"ssl_ca_certs": "/run/ca.pem"}),
        ),
    ],
)
def test_an_address_names_sentinels_a_master_and_a_database(url, address):
    assert parse(url) == address
    assert parse_kombus(address.kombu_url, default_master=address.master).sentinels == address.sentinels


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://s1", "redis+sentinel:///shop", "redis+sentinel://s1,/shop", "redis+sentinel://s1:0/shop",
        "redis+sentinel://s1:x/shop", "redis+sentinel://s1/shop/x", "redis+sentinel://s1/shop/1/2",
        "redis+sentinel://s1/shop?nonsense=1", "redis+sentinel://s1/shop?ssl_ca_certs=/x", "redis+sentinel://s1/shop#a",
        "redis+sentinel://s1/two words", "redis://s1/shop",
    ],
)  # fmt: skip
def test_another_address_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        parse(url)


def test_a_password_is_not_shown():
    shown = repr(parse("redis+sentinel://u:s3cr3t@s1/shop?sentinel_password=t0ps3cr3t"))

    assert "s3cr3t" not in shown


def test_the_broker_has_the_sentinels_of_redis_or_its_own():
    ours = "redis+sentinel://u:p%40@s1,s2:26380/shop/3?sentinel_password=x"
    url, options, _ = brokers.settings_of(ours, redis_url="redis://unused")
    theirs, their_options, _ = brokers.settings_of("sentinel://s1/3;sentinel://u:p%40@s2:26380", redis_url=ours)

    assert url == theirs == "sentinel://u:p%40@s1:26379/3;sentinel://u:p%40@s2:26380/3"
    assert (options["master_name"], options["sentinel_kwargs"]["password"]) == ("shop", "x")
    assert their_options["master_name"] == "shop"
    named = brokers.settings_of("sentinel://s1?master_name=other", redis_url=ours)[1]
    assert named["master_name"] == "other"
    assert brokers.settings_of("sentinel://s1", redis_url="redis://valkey/0")[1]["master_name"] == "mymaster"


def test_tls_verifies_certificates_to_the_sentinels_and_to_the_master():
    url = "rediss+sentinel://s1/shop?ssl_ca_certs=/run/ca.pem"
    pool = pool_of(url)
    _, options, tls = brokers.settings_of(url, redis_url=url)

    connection = pool.make_connection()
    assert isinstance(connection, redis.SSLConnection)
    assert (connection.ca_certs, connection.cert_reqs.name) == ("/run/ca.pem", "CERT_REQUIRED")
    [sentinel] = pool.sentinel_manager.sentinels
    assert issubclass(sentinel.connection_pool.connection_class, redis.SSLConnection)
    assert tls == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/run/ca.pem"}
    assert options["sentinel_kwargs"]["ssl"]


@contextlib.contextmanager
def silent_servers(count: int) -> Iterator[list[tuple[str, int]]]:
    """Listen on ports and answer nothing."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        yield [opened.getsockname() for opened in sockets]


def finder_of(sentinels: list[tuple[str, int]], *, password: str | None = None) -> MasterFinder:
    """Return a finder whose connections are patient: what bounds a search is the finder itself."""
    return MasterFinder(
        SentinelAddress(tuple(sentinels), MASTER, sentinel_password=password), timeout_seconds=WAIT_SECONDS
    )


def test_a_search_among_silent_sentinels_takes_one_timeout_at_most():
    with silent_servers(3) as silent:
        finder = finder_of(silent)
        finder._timeout_seconds = 0.05

        # The same answer, not one search after the other.
        found = at_once(*times(4, lambda: finder.discover_master(MASTER)))

    assert {type(error) for error in found} == {MasterNotFoundError}
    assert {str(error).partition(": ")[2] for error in found} == {"no answer in time"}


def test_sentinels_that_are_silent_or_dead_do_not_delay_one_that_answers(valkey):
    with silent_servers(2) as silent:
        sentinels = [*silent, ("127.0.0.1", 1), ("127.0.0.1", valkey.sentinels[0])]

        found = finder_of(sentinels, password="watch/word").discover_master(MASTER)

    assert found == ("127.0.0.1", valkey.master())


@pytest.mark.parametrize("with_sentinels", [True, False])
def test_a_connection_to_a_server_that_became_a_replica_ends(valkey, with_sentinels):
    """Without sentinels its host's name may be the new master's by then, as with managed services."""
    port = valkey.master()
    url = valkey.url(0) if with_sentinels else f"redis://:pass%40word@127.0.0.1:{port}/0"
    client = redis.Redis.from_pool(pool_of(url, decode_responses=True))
    with contextlib.closing(client):
        client.set("key", "value")
        [connection] = client.connection_pool._available_connections
        with valkey.client(port) as server, replica(server):
            for write in (lambda: client.set("key", "other"), lambda: client.eval("redis.call('SET', 'key', 1)", 0)):
                with pytest.raises(redis.ConnectionError):
                    write()
                assert connection._sock is None


@contextlib.contextmanager
def replica(server: redis.Redis) -> Iterator[None]:
    """Let a server refuse writes, with the connections of its clients kept."""
    server.config_set("min-replicas-to-write", 0)
    host, port = "127.0.0.1", 1
    server.replicaof(host, port)
    try:
        yield
    finally:
        server.replicaof("NO", "ONE")


def test_kombus_channels_leave_a_replica(valkey):
    port = valkey.master()
    url, options, _ = brokers.settings_of(valkey.url(1), redis_url="")
    for address, transport_options in ((url, options), (f"redis://:pass%40word@127.0.0.1:{port}/1", brokers.OPTIONS)):
        with (
            BrokerConnection(address, transport_options=transport_options) as broker,
            broker.channel() as channel,
            valkey.client(port) as server,
        ):
            channel.client.lpush("queue", "message")
            with replica(server), pytest.raises(redis.ConnectionError):
                channel.client.lpush("queue", "message")
