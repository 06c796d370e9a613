"""One event that comes by webhook and is read from the provider's API, in two API versions, is one event."""

import html
import json

import pytest

from checkout import audit
from checkout.tests.factories import OrderFactory
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.racing import Meeting, at_once, without_advisory_locks
from payments import inbox
from payments.inbox import rules
from payments.models import Payment, WebhookEvent
from payments.providers import PROVIDERS
from payments.providers.base import UnusableBody
from payments.tests.support.inbox import separate_processes
from payments.tests.support.stripe_events import event, intent, outcome, send

Source = WebhookEvent.Source


def bodies(order) -> tuple[dict, dict]:
    """Return one event as two API versions write it: the older one has no hold, and another amount's name."""
    new = event("payment_intent.succeeded", intent(order), event_id="evt_1")
    thing = intent(order) | {"metadata": {"order_id": str(order.pk), "hold_id": str(order.hold_id)}}
    return new, new | {"api_version": "2020-08-27", "data": {"object": thing}}


def take(body: dict, *, source: Source = Source.LISTED) -> inbox.Receipt:
    return inbox.take(PROVIDERS["stripe"], json.dumps(body).encode(), source=source)


@pytest.mark.usefixtures("stripe_in_production")
def test_an_event_that_was_read_pays_its_order_and_says_how_it_came(order):
    receipt = take(bodies(order)[0])

    assert (receipt.event.status, receipt.is_replay) == ("applied", False)
    assert WebhookEvent.objects.get().source == "listed"
    assert Payment.objects.get().order_id == order.pk


@pytest.mark.usefixtures("stripe_in_production")
@pytest.mark.parametrize("is_webhook_first", [True, False])
def test_the_same_event_by_webhook_and_by_list_in_two_versions_is_one_event(api, order, is_webhook_first):
    new, old = bodies(order)
    ways = [lambda: outcome(send(api, old)), lambda: take(new).event.status]

    told = [way() for way in (ways if is_webhook_first else reversed(ways))]

    assert told == ["applied", "applied"]
    assert WebhookEvent.objects.get().source == ("webhook" if is_webhook_first else "listed")
    assert Payment.objects.count() == 1


@pytest.mark.usefixtures("stripe_in_production")
@pytest.mark.parametrize("source", [Source.LISTED, Source.ASKED])
def test_the_same_way_two_events_with_one_id_are_left_to_staff(order, source):
    new, old = bodies(order)

    take(new, source=source)
    second = take(old, source=source)

    assert (second.event.status, second.event.reason) == ("needs_review", "event_id_reused")


@pytest.mark.usefixtures("stripe_in_production")
def test_a_body_that_is_no_event_is_refused_and_stored_nowhere(db):
    with pytest.raises(UnusableBody):
        inbox.take(PROVIDERS["stripe"], b'{"type": "payment_intent.succeeded"}', source=Source.LISTED)

    assert not WebhookEvent.objects.exists()


@pytest.mark.usefixtures("stripe_in_production")
def test_an_error_while_it_is_processed_is_recorded_and_tried_again(monkeypatch, order):
    with monkeypatch.context() as patch:
        patch.setattr(rules, "judge", _fail)
        patch.setattr(rules, "pay_plain", _fail)
        failed = take(bodies(order)[0]).event

    assert (failed.status, failed.attempts) == ("failed", 1)
    assert take(bodies(order)[0]).event.status == "applied"


@pytest.mark.usefixtures("stripe_in_production")
def test_staff_see_how_an_event_came(admin_client, order):
    stored = take(bodies(order)[0]).event

    for row in (stored, order):
        page = admin_client.get(admin_url(type(row), "change", row.pk)).content.decode()
        assert "read in the provider's list" in html.unescape(page)


def _webhook_and_list_at_once(monkeypatch, api) -> list[str]:
    separate_processes(monkeypatch)
    new, old = bodies(OrderFactory(quantity=2))
    # Both have seen that the event is new before either stores it.
    monkeypatch.setattr(rules, "on_receipt", Meeting(2).before(rules.on_receipt))
    results = at_once(lambda: outcome(send(api, old)), lambda: take(new).event.status)
    return [str(result) for result in results]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stripe_in_production")
def test_by_webhook_and_by_list_at_once_it_is_stored_once(monkeypatch, api):
    assert _webhook_and_list_at_once(monkeypatch, api) == ["applied", "applied"]

    assert WebhookEvent.objects.count() == 1
    assert audit.find_drift() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stripe_in_production")
def test_control_without_the_lock_on_the_event_id_it_is_stored_twice(monkeypatch, api):
    without_advisory_locks(monkeypatch)

    _webhook_and_list_at_once(monkeypatch, api)

    assert WebhookEvent.objects.count() == 2


def _fail(*args, **kwargs):
    raise RuntimeError("no rule")
