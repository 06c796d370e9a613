"""Without webhooks, against a provider's server: what was paid there is applied here by asking, and told in words."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core import clock
from payments import tasks
from payments.models import EventCursor, Payment, PaymentAttempt, WebhookEvent
from payments.tests.support.attempts import deliver, shown, start

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(db) -> Order:
    return OrderFactory(quantity=2, product__price="29.99", product__currency="USD")


@pytest.fixture
def paid_there(api, provider, order) -> Order:
    """An order whose payment was paid at the provider, of which no webhook told."""
    start(api, order)
    provider.pay(PaymentAttempt.objects.get(order=order).object_id)
    return order


def reconcile(*options: str) -> list[str]:
    out = StringIO()
    call_command("reconcile_payments", *options, stdout=out)
    return out.getvalue().splitlines()


def test_the_sweep_applies_what_no_webhook_told_and_the_webhook_is_the_same_event(api, provider, paid_there):
    tasks.sweep_events()

    assert shown(api, paid_there)["status"] == "paid"
    assert [response.json()["outcome"] for response in deliver(api, provider)][-1] == "applied"
    assert WebhookEvent.objects.get(kind="success").source == "listed"
    assert PaymentAttempt.objects.get().status == "succeeded"


def test_the_comparison_applies_what_the_sweep_did_not_see(api, provider, paid_there):
    tasks.compare_payments()
    tasks.sweep_events()

    assert shown(api, paid_there)["status"] == "paid"
    assert Payment.objects.get().event.source == "asked"


def test_the_command_says_what_it_found(api, provider, paid_there):
    swept, looked_up, compared = reconcile()

    assert "of them are new ones of this shop." in swept
    assert looked_up == "stripe: 0 open payments without news were asked about."
    assert compared.startswith("stripe: 1 payments of this shop were made since ")
    assert compared.endswith("and paid. 0 were missing here; 0 differ from what is recorded.")
    assert shown(api, paid_there)["status"] == "paid"


def test_from_an_earlier_time_it_reads_more(api, provider, paid_there):
    tasks.sweep_events()
    since = (clock.now() - timedelta(hours=2)).isoformat()

    swept, _, _ = reconcile("--since", since)

    assert ", 0 of them are new ones of this shop." in swept


@pytest.mark.parametrize(
    ("since", "sentence"),
    [
        ("yesterday", "This is not a time such as"),
        ("2999-01-01T00:00:00Z", "is in the future"),
        ("2020-01-01T00:00:00Z", "is more than 30 days ago"),
    ],
)
def test_a_time_that_cannot_be_is_refused(provider, since, sentence):
    with pytest.raises(CommandError, match=sentence):
        reconcile("--since", since)

    assert not EventCursor.objects.exists()


def test_without_payments_of_its_own_there_is_nothing_to_ask(settings):
    with pytest.raises(CommandError, match="The shop makes no payments here"):
        reconcile()

    tasks.sweep_events()
    tasks.compare_payments()
    assert not EventCursor.objects.exists()


def test_a_provider_that_does_not_answer_is_told_and_asked_again(api, provider, paid_there):
    provider.set_habits(errors={"502": 1.0})

    with pytest.raises(CommandError, match=r"stripe: the events were not read: .* the payments were not compared"):
        reconcile()

    tasks.sweep_events()
    tasks.compare_payments()
    assert shown(api, paid_there)["status"] == "pending_payment"
    provider.set_habits()
    tasks.sweep_events()
    assert shown(api, paid_there)["status"] == "paid"


def test_a_copy_of_the_shop_asks_about_nothing_that_the_shop_made(api, provider, paid_there, settings):
    settings.SHOP_ID = "copy"
    asked_before = len(provider.received())

    swept, looked_up, compared = reconcile()

    assert ", 0 of them are new ones of this shop." in swept
    assert looked_up.startswith("stripe: 0 ")
    assert compared.startswith("stripe: 0 payments")
    assert {one.endpoint for one in provider.received()[asked_before:]} == {"GET /v1/events", "GET /v1/payment_intents"}
    assert shown(api, paid_there)["status"] == "pending_payment"
