"""`traceparent` of requests: in the log, handed on to Stripe, ignored where it is invalid."""

import json

import pytest

from catalog.tests.factories import ProductFactory
from flashsale.core import events, tracing
from flashsale.tests.support.log_lines import logged
from flashsale.tests.support.logins import LOGIN, new_address
from flashsale.tests.support.receiving import receiving
from payments.providers.stripe import api as stripe_api
from payments.providers.stripe import transport

pytestmark = pytest.mark.django_db(transaction=True)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{PARENT}-01"
INVALID = [
    "", "00", f"00-{TRACE}-{PARENT}", f"00-{TRACE}-{PARENT}-1", f"00-{TRACE.upper()}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01",
    f"00-{TRACE}-{PARENT}-01-more", f"0-{TRACE}-{PARENT}-01",
    f"00-{TRACE}-{PARENT}-01,{HEADER}", f"00-{TRACE[:-1]}g-{PARENT}-01", f" {HEADER}", f"{HEADER}\n",
    f"00-{TRACE[:-1]}٣-{PARENT}-01", f"01-{TRACE}-{PARENT}-01x", f"01-{TRACE}-{PARENT}-01-\x00",
]  # fmt: skip


@pytest.fixture
def lines():
    """Everything that is logged during the test."""
    with logged() as handler:
        yield handler


def hold(api, **headers):
    """Place a hold with these headers."""
    return api.post("/api/v1/holds", {"product_id": ProductFactory(stock=1).pk, "quantity": 1}, headers=headers)


@pytest.mark.parametrize(
    ("header", "outgoing"),
    [
        (HEADER, HEADER),
        (f"00-{TRACE}-{PARENT}-00", f"00-{TRACE}-{PARENT}-00"),
        # Flags and fields that version 00 does not define are not passed on.
        (f"00-{TRACE}-{PARENT}-fe", f"00-{TRACE}-{PARENT}-00"),
        (f"cc-{TRACE}-{PARENT}-03-what-comes", HEADER),
    ],
)
def test_a_valid_header_is_read_and_passed_on_as_version_00(header, outgoing):
    assert tracing.parse(header).header == outgoing


@pytest.mark.parametrize("header", INVALID, ids=repr)
def test_an_invalid_header_is_ignored(header):
    assert tracing.parse(header) is None


def test_the_lines_of_a_request_name_its_trace(api, lines):
    answer = hold(api, traceparent=HEADER)

    [placed] = lines.named("hold_placed")
    assert (placed["trace_id"], placed["parent_id"]) == (TRACE, PARENT)
    assert placed["request_id"] == answer.headers["X-Request-ID"]
    assert tracing._in_progress == {}


def test_the_lines_of_a_page_name_its_trace(client, lines):
    form = {"username": "ann", "password": "wrong"}
    client.post(LOGIN, form, headers={"traceparent": HEADER}, REMOTE_ADDR=new_address())

    assert {line["trace_id"] for line in lines.named("login_failed")} == {TRACE}
    assert tracing._in_progress == {}


def test_a_header_that_is_invalid_is_in_no_line(api, lines):
    for header in ("00-not-a-trace-01", f"{HEADER}-<script>", f"00-{TRACE}-{PARENT}"):
        assert hold(api, traceparent=header).status_code == 201

    assert len(lines.named("hold_placed")) == 3
    assert not [text for text in lines.texts if "trace_id" in text or "not-a-trace" in text or TRACE in text]


def test_each_request_of_a_batch_keeps_its_own_trace(lines):
    tracing.begin("first", HEADER)
    tracing.begin("second", f"00-{'c' * 32}-{PARENT}-00")

    # The leader of a batch logs for the others, one of which has no trace.
    with events.bound_to_request("first"):
        for request in ("second", "third", "first"):
            with events.bound_to_request(request):
                events.record("lock_retry", sqlstate="40P01", verb=request, attempt=1)
    for request in ("first", "second"):
        tracing.end(request)

    traces = {line["verb"]: line.get("trace_id") for line in lines.named("lock_retry")}
    assert traces == {"first": TRACE, "second": "c" * 32, "third": None}


def test_stripe_is_asked_with_the_trace_of_the_request(settings):
    settings.STRIPE_API_KEY = "sk_test_1"
    with receiving(json.dumps({"id": "pi_1", "object": "payment_intent"}).encode()) as stripe:
        settings.STRIPE_API_BASE = stripe.url
        tracing.begin("a request", HEADER)
        with events.bound_to_request("a request"):
            stripe_api.ask("get", "/v1/payment_intents/pi_1", seconds=5)
        tracing.end("a request")
        stripe_api.ask("get", "/v1/payment_intents/pi_1", seconds=5)
        transport.connections.cache_clear()

    assert [request.headers.get("traceparent") for request in stripe.received] == [HEADER, None]
    assert not [request for request in stripe.received if "tracestate" in request.headers]
