"""After an answer that cannot be read the client says that it does not know, and raises nothing."""

import json
import socketserver
import threading
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone

from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import ListingFailed, Outcome
from payments.providers.stripe import api, transport
from payments.tests.support.shop_payments import API_KEY, SECONDS, new_attempt, use_stripe_at

client = PAYMENT_CLIENTS["stripe"]


@dataclass
class Raw:
    """A server that sends the same bytes to each request, and then closes the connection."""

    answer: bytes = b""
    requests: list[bytes] = field(default_factory=list)
    url: str = ""


@pytest.fixture(scope="module")
def shared_raw():
    raw = Raw()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = self.rfile.readline()
            length = 0
            while (line := self.rfile.readline()).strip():
                request += line
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            raw.requests.append(request + b"\r\n" + self.rfile.read(length))
            self.wfile.write(raw.answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        raw.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield raw
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def raw(shared_raw, settings, monkeypatch):
    use_stripe_at(shared_raw.url, settings)
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 100_000)
    shared_raw.requests.clear()
    return shared_raw


def http(body: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{headers}Connection: close\r\n\r\n".encode() + body


def made(**members) -> dict:
    """Return an intent as Stripe would describe it, with some members replaced."""
    return {
        "id": "pi_1", "object": "payment_intent", "amount": 5998, "currency": "usd", "created": 1, "livemode": False,
        "status": "requires_payment_method", "client_secret": "pi_1_secret_1", "metadata": {},
    } | members  # fmt: skip


ANSWERS = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no body": http(b""),
    "a page": http(b"<html>502</html>", headers="Content-Type: text/html\r\n"),
    "no text": http(b"\xff\xfe\x00"),
    "too much": http(b'{"id": "' + b"x" * 200_000 + b'"}'),
    "less than announced": http(b'{"id": "pi_1"', length=5_000),
    "deep": http(b"[" * 50_000),
    "a long number": http(b'{"amount": ' + b"9" * 5_000 + b"}"),
    "unpacked wrongly": http(b"plain", headers="Content-Encoding: gzip\r\n"),
    "a redirect": http(b"{}", status="307 Temporary Redirect", headers="Location: /elsewhere\r\n"),
    "a strange status": http(b"{}", status="999 What"),
    "an error that is text": http(b'{"error": "no"}', status="400 Bad Request"),
    "an error of an error": http(b'{"error": {"type": ["x"], "code": {}, "message": 5}}', status="500 Oh"),
    "a page for an error": http(b"<html>", status="503 Busy"),
    "an error that is text with a status": http(b'{"error": "bad gateway"}', status="502 Bad Gateway"),
    "a page of a server in between": http(b"<html>", status="404 Not Found"),
    "no error": http(b"{}", status="404 Not Found"),
    "an error without its type": http(b'{"error": {"message": "no route"}}', status="404 Not Found"),
    "a refusal in between": http(b"<html>", status="400 Bad Request"),
    "a payment that is required in between": http(b"{}", status="402 Payment Required"),
} | {
    f"JSON {number}": http(json.dumps(content).encode())
    for number, content in enumerate([
        None, 5, "text", [], [made()], {}, {"object": ["payment_intent"]}, {"object": "list", "data": 5},
        {"object": "list", "data": [5], "has_more": False}, {"object": "list", "data": [], "has_more": True},
        {"object": "list", "data": [{"id": 5}], "has_more": False},
        {"object": "list", "data": [made()], "has_more": "perhaps"},
        made(id=5), made(id=""), made(amount="5998"), made(amount=True), made(amount=-1), made(amount=10**40),
        made(currency=["usd"]), made(currency="doubloons"), made(status="asleep"), made(status=["succeeded"]),
    ])
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("kind", ["payment_intent", "checkout_session"])
def test_an_answer_that_cannot_be_read_decides_nothing(raw, name, kind):
    raw.answer = ANSWERS[name]
    attempt = new_attempt(kind, object_id="pi_1" if kind == "payment_intent" else "cs_1")
    calls = [
        lambda: client.start(attempt, key="key", timeout=SECONDS),
        lambda: client.end(attempt, timeout=SECONDS),
        lambda: client.look_up(attempt, timeout=SECONDS),
        lambda: client.find(attempt, timeout=SECONDS),
    ]

    answers = [call() for call in calls]

    assert [answer.outcome for answer in answers] == [Outcome.UNKNOWN] * 4
    assert all(answer.detail and "secret" not in answer.detail for answer in answers)
    assert len(raw.requests) >= len(calls)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_list_that_cannot_be_read_says_so(raw, name):
    raw.answer = ANSWERS[name]
    since = timezone.now() - timedelta(days=1)

    for listed in (client.list_events(since=since), client.list_payments(since=since)):
        with pytest.raises(ListingFailed):
            list(listed)


def test_a_redirect_is_not_followed_and_a_connection_is_asked_once(raw):
    raw.answer = ANSWERS["a redirect"]

    client.look_up(new_attempt(object_id="pi_1"), timeout=SECONDS)

    assert len(raw.requests) == 1


def test_each_request_names_the_pinned_version_the_key_and_the_idempotency_key(raw):
    client.start(new_attempt(), key="attempt:1", timeout=SECONDS)

    head = raw.requests[0].partition(b"\r\n\r\n")[0].decode().splitlines()
    assert {f"Stripe-Version: {api.API_VERSION}", f"Authorization: Bearer {API_KEY}", "Idempotency-Key: attempt:1"} <= {
        *head
    }


def test_no_server_is_no_answer(settings):
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"

    answer = client.start(new_attempt(), key="key", timeout=SECONDS)

    assert (answer.outcome, answer.key_is_spent) == (Outcome.UNKNOWN, False)


@pytest.mark.parametrize("name", ["an error that is text with a status", "a page for an error"])
def test_a_fault_that_cannot_be_read_may_be_kept_with_its_key(raw, name):
    raw.answer = ANSWERS[name]

    answer = client.start(new_attempt(), key="key", timeout=SECONDS)

    assert (answer.outcome, answer.key_is_spent) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize("kind", ["payment_intent", "checkout_session"])
def test_a_payment_without_what_it_is_paid_with_is_not_answered(raw, kind):
    attempt = new_attempt(kind)
    metadata = {"attempt_id": str(attempt.pk), "shop_id": attempt.shop_id}
    session = {"id": "cs_1", "status": "open", "amount_total": 5998, "currency": "usd", "url": None}
    intent = made(client_secret=None)
    raw.answer = http(json.dumps((intent if kind == "payment_intent" else session) | {"metadata": metadata}).encode())

    answer = client.start(attempt, key="key", timeout=SECONDS)

    assert (answer.outcome, answer.payment) == (Outcome.UNKNOWN, None)
