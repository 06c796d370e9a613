"""What is sent to an endpoint, over real sockets: to checked addresses only, bounded in time and in bytes."""

import ipaddress
import ssl

import pytest

from flashsale.outbox.deliveries import transport
from flashsale.outbox.deliveries.transport import Answer, Limits, post
from flashsale.outbox.endpoints import addresses
from flashsale.outbox.tests.support.receivers import (
    answers,
    certificate,
    drips,
    is_silent,
    pours,
    receiver,
    status,
)
from flashsale.tests.support.processes import WAIT_SECONDS

BODY = b'{"type": "webhook.test"}'
# For receivers that answer: no test depends on how fast they do.
PATIENT = Limits(connect_seconds=WAIT_SECONDS, total_seconds=WAIT_SECONDS)
# For receivers that never end their answer.
SHORT = Limits(connect_seconds=WAIT_SECONDS, total_seconds=0.5)
TOO_SLOW = "There was no whole answer in 0.5 s."
NOT_ALLOWED = "The host has no public address, and none in OUTGOING_ALLOWED_NETWORKS."


@pytest.fixture
def production(settings):
    """Settings of production: loopback addresses are private ones like all others."""
    settings.LOCAL_MODE = False


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """A proxy of the environment, which nothing may use."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def send(url: str, *, limits: Limits = PATIENT, **kwargs) -> Answer:
    return post(url, body=BODY, headers={"Content-Type": "application/json"}, limits=limits, **kwargs)


def resolving(*found: str):
    """Return a resolver that answers these addresses, one list of one address at each question, and the questions."""
    asked = []

    def resolve(host: str, port: int, *, seconds: float) -> list[str]:
        asked.append(host)
        return [found[len(asked) - 1]]

    return resolve, asked


def test_a_request_is_one_post_of_the_bytes_and_the_answer_is_kept():
    with receiver(status("202 Accepted", body="thanks\0")) as shop:
        answer = send(shop.url)

    [request] = shop.requests
    assert request.line == "POST /hooks?shop=1 HTTP/1.1"
    assert request.body == BODY
    assert request.headers == {
        "host": f"127.0.0.1:{shop.port}", "connection": "close", "content-type": "application/json",
        "accept-encoding": "identity", "content-length": str(len(BODY)),
    }  # fmt: skip
    assert (answer.status, answer.text, answer.error) == (202, "thanks", "")
    assert answer.is_success


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("204 No Content", ""),
        ("410 Gone", "The endpoint answered 410."),
        ("500 Oh no", "The endpoint answered 500."),
        ("304 Not Modified", "Redirects are not followed."),
    ],
)
def test_every_status_but_those_of_success_is_a_failure(line, error):
    with receiver(status(line)) as shop:
        answer = send(shop.url)

    assert (answer.status, answer.error) == (int(line[:3]), error)


def test_a_redirect_to_a_private_host_is_not_followed():
    with receiver() as private, receiver(status("307 There", f"Location: {private.url}")) as shop:
        answer = send(shop.url)

    assert (answer.status, answer.error) == (307, "Redirects are not followed.")
    assert len(shop.requests) == 1
    assert private.requests == []


def test_of_a_gibibyte_64_kib_are_read_and_2_kib_are_kept():
    with receiver(pours) as shop:
        answer = send(shop.url)

    assert (answer.status, answer.error, answer.text) == (200, "", "x" * 2048)


def test_a_receiver_that_never_ends_its_answer_is_left_at_the_deadline():
    with (
        receiver(drips(b"HTTP/1.1 200 OK\r\nX-" + b"a" * 2**20)) as in_headers,
        receiver(drips(b"x", after=b"HTTP/1.1 200 OK\r\n\r\n")) as in_body,
        receiver(is_silent) as silent,
        receiver(drips(b"\x16\x03\x03\x40\x00"), reads=False) as in_handshake,
    ):
        dripping = [send(shop.url, limits=SHORT) for shop in (in_headers, in_body, silent)]
        dripping.append(send(in_handshake.url.replace("http:", "https:"), limits=SHORT))

    assert [answer.error for answer in dripping] == [TOO_SLOW] * 4
    assert not any(answer.is_success for answer in dripping)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", "The connection failed: it was closed."),
        (b"SSH-2.0-OpenSSH\r\n", "The answer is not HTTP."),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 200 + b"\r\n", "The answer is not HTTP."),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "The answer is not HTTP."),
    ],
)
def test_what_is_no_answer_is_a_failure(message, error):
    with receiver(answers(message)) as shop:
        assert (send(shop.url).status, send(shop.url).error) == (None, error)


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nshort",
    ],
)
def test_an_answer_that_breaks_off_keeps_its_status(message):
    with receiver(answers(message)) as shop:
        answer = send(shop.url)

    assert (answer.status, answer.text, answer.error) == (200, "short", "")


def test_a_certificate_is_checked_by_the_name_of_the_host(tmp_path, monkeypatch):
    context = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    resolve, asked = resolving("127.0.0.1", "127.0.0.1", "127.0.0.1")
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    with receiver(context=context) as shop:
        urls = [f"https://{host}:{shop.port}/" for host in ("localhost", "other.test")]
        unknown = send(urls[0], resolve=resolve)
        monkeypatch.setattr(transport, "_context", lambda: trusting)
        known, of_other_name = (send(url, resolve=resolve) for url in urls)

    assert (unknown.status, unknown.error) == (None, "The endpoint's certificate is not valid.")
    assert (known.status, known.error) == (200, "")
    assert of_other_name.error == "The endpoint's certificate is not valid."
    assert names == asked == ["localhost", "localhost", "other.test"]
    assert [request.headers["host"] for request in shop.requests] == [f"localhost:{shop.port}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost", "[::1]"])
def test_no_spelling_of_a_private_address_is_reached(host, production):
    with receiver() as shop:
        answer = send(f"http://{host}:{shop.port}/")

    assert (answer.status, answer.error) == (None, NOT_ALLOWED)
    assert shop.requests == []


def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(production, settings):
    settings.OUTGOING_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.2/32")]
    resolve, asked = resolving("127.0.0.2", "127.0.0.1")
    with receiver(host="127.0.0.1") as private, receiver(host="127.0.0.2") as listed:
        not_there = send(f"http://shop.test:{private.port}/", resolve=resolve)
        there = send(f"http://shop.test:{listed.port}/", resolve=lambda *_, seconds: ["127.0.0.1", "127.0.0.2"])

    assert not_there.error == "The connection failed: Connection refused."
    assert asked == ["shop.test"]
    assert private.requests == []
    assert (there.status, len(listed.requests)) == (200, 1)


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("93.184.216.34", True), ("2606:4700::1111", True), ("64:ff9b::5db8:d822", True),
        ("::ffff:93.184.216.34", True),
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("64:ff9b::a01:203", True), ("fd00::7", True),
        ("10.2.0.1", False), ("192.168.1.1", False), ("172.16.0.1", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("::ffff:169.254.169.254", False), ("64:ff9b::a9fe:a9fe", False), ("2002:a9fe:a9fe::1", False),
        ("64:ff9b:1::a01:203", False), ("::a9fe:a9fe", False), ("::", False), ("::1", False), ("fe80::1", False),
        ("fe80::1%eth0", False), ("fec0::1", False), ("ff02::1", False), ("fd01::1", False), ("no address", False),
    ],
)  # fmt: skip
def test_public_and_listed_addresses_are_allowed_and_no_others(address, is_allowed, production, settings):
    settings.OUTGOING_ALLOWED_NETWORKS = [ipaddress.ip_network(network) for network in ("10.1.0.0/16", "fd00::/16")]

    assert addresses.is_allowed(address) is is_allowed


def test_a_resolver_that_does_not_answer_is_left_in_time(monkeypatch):
    with receiver() as shop:
        monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: [shop.is_stopped.wait(WAIT_SECONDS)][:0])
        answer = send(shop.url, limits=Limits(connect_seconds=0.1))

    assert answer.error == "The host's name was not resolved in time."
    assert shop.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "", "shop.test", "//shop.test/", "ftp://shop.test/", "https://", "https://:443/", "https://shop.test:0/",
        "https://shop.test:99999/", "https://[::1/", "https://user@shop.test/", "https://user:key@shop.test/",
        "https://shop.test/#a", "https://shop.test/\r\nX: y", "https://shop.test/a b", "https://shöp.test/",
        "https://shop.test\\@127.0.0.1/", "https://shop.test/" + "a" * 2_000, "https://sh%6fp.test/",
    ],
)  # fmt: skip
def test_a_url_that_could_be_read_in_two_ways_is_refused(url):
    with pytest.raises(addresses.BadUrl):
        addresses.parse(url)
    assert send(url).error
