"""Webhooks: signed, sent until they are accepted, and what a restart leaves of everything."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe as stripe_library

from flashsale.local_provider import webhooks
from flashsale.local_provider.running import running
from flashsale.tests.support.processes import wait_until

SECRET = "whsec_local"
PAID = ["payment_intent.created", "payment_intent.succeeded"]


@pytest.fixture
def shop():
    """A shop that keeps the bodies of signed events, and answers with `statuses` first."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            event = stripe_library.Webhook.construct_event(body, self.headers["Stripe-Signature"], SECRET)
            server.events.append(event.to_dict())
            self.send_response(server.statuses.pop(0) if server.statuses else 200)
            self.end_headers()

        def log_message(self, *_args):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.events, server.statuses = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def create(client_of, provider, **options):
    return client_of(provider.url).v1.payment_intents.create({"amount": 5998, "currency": "usd"}, options)


def test_an_event_that_is_not_accepted_is_sent_again_as_the_same_event(shop, client_of, monkeypatch):
    monkeypatch.setattr(webhooks, "BACKOFF_SECONDS", (0, 0, 0))
    shop.statuses = [500, 400]

    with running(webhook_url=shop.url) as provider:
        create(client_of, provider)
        wait_until(lambda: len(shop.events) == 3 and not provider.provider.storage.undelivered)

    assert len({event["id"] for event in shop.events}) == 1
    assert shop.events[0]["type"] == "payment_intent.created"


def test_everything_survives_a_restart_and_what_was_not_delivered_is_sent_then(shop, client_of, tmp_path):
    journal = tmp_path / "journal"
    with running(journal=journal) as provider:
        made = create(client_of, provider, idempotency_key="k")
        provider.pay(made.id)
    with journal.open("a") as cut_off:
        cut_off.write('{"objects": {"pi_x": {"id": "pi_')

    with running(journal=journal, webhook_url=shop.url) as provider:
        again = create(client_of, provider, idempotency_key="k")
        wait_until(lambda: len(shop.events) == 2 and not provider.provider.storage.undelivered)
    with running(journal=journal) as provider:
        listed = provider.events()
        left = provider.take_webhooks()

    assert again.id == made.id
    assert {event["type"] for event in shop.events} == set(PAID)
    assert {event["id"] for event in shop.events} == {event["id"] for event in listed if event["type"] in PAID}
    assert left == []


def types_taken(provider) -> list[str]:
    return [json.loads(body)["type"] for body, _ in provider.take_webhooks()]


@pytest.mark.parametrize(
    ("habit", "types"),
    [
        ("on_time", PAID),
        ("late", PAID),
        ("never", []),
        ("twice", [one for one in PAID for _ in range(2)]),
        ("reordered", PAID[::-1]),
    ],
)
def test_habits_of_webhooks(client_of, habit, types):
    with running() as provider:
        provider.set_habits(webhooks=habit)
        provider.pay(create(client_of, provider).id)

        assert types_taken(provider) == types
        assert [event["type"] for event in provider.events(*PAID)] == PAID


def test_an_endpoint_of_an_older_api_version_gets_another_rendering_of_the_same_event(client_of):
    with running() as provider:
        provider.set_habits(webhook_api_version="2020-08-27")
        provider.pay(create(client_of, provider).id)
        [*_, (body, headers)] = provider.take_webhooks()
        [listed] = provider.events("payment_intent.succeeded")

    sent = stripe_library.Webhook.construct_event(body, headers["Stripe-Signature"], SECRET).to_dict()
    assert (sent["id"], sent["api_version"]) == (listed["id"], "2020-08-27")
    assert "latest_charge" not in sent["data"]["object"]
    assert sent["data"]["object"]["charges"]["data"][0]["id"] == listed["data"]["object"]["latest_charge"]
