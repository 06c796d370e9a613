"""The back end of a simulated sale reads every event once, and a feed that lied would be found."""

from uuid import UUID

import httpx
import pytest

from checkout import orders
from checkout.tests.factories import OrderFactory
from flashsale.api import authentication
from flashsale.outbox.models import Event
from flashsale.simulation import back_end
from flashsale.simulation.back_end import BackEnd, Heard

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard(live_server, product):
    """What a second process heard of two orders: one stays pending, one is cancelled."""
    token = authentication.create_token(name="back end", scope_names=["events:read"])
    reader = BackEnd(live_server.url, token)
    OrderFactory(product=product)
    orders.cancel(OrderFactory(product=product).pk)
    yield reader.finish(product.pk)
    reader.kill()


def differences(heard, product, *, before=None):
    statuses = back_end.statuses(product.pk)
    return back_end.differences(heard, before=statuses if before is None else before, after=statuses)


def test_a_second_process_reads_every_event_once_and_what_is_wrong_would_be_found(heard, product):
    pending, cancelled = sorted(heard.orders, key=lambda order_id: len(heard.orders[order_id]))
    placed, story = heard.orders[pending], heard.orders[cancelled]

    def of(events):
        return " ".join(differences(Heard.of(events, product.pk), product))

    assert heard.failure == ""
    assert (len(placed), len(story)) == (1, 2)
    assert differences(heard, product) == []
    # The controls: each thing that may be wrong, alone.
    invented = {**placed[0], "id": "evt_1", "data": {**placed[0]["data"], "order_id": "another"}}
    assert of(story) == f"The events lack 1 orders, such as ['{pending}']"
    assert of([*placed, story[0]]) == f"The events of 1 orders tell another story, such as ['{cancelled}']"
    assert of([*placed, story[1]]) == f"The events of 1 orders tell another story, such as ['{cancelled}']"
    assert "1 events were read twice" in of([*placed, *story, story[1]])
    assert of([*placed, *story, invented]) == "The events tell of 1 orders that do not exist, such as ['another']"

    before = back_end.statuses(product.pk)
    orders.cancel(UUID(pending))

    # What changes while the last event is read is no difference.
    assert differences(heard, product, before=before) == []
    assert differences(heard, product) != []


def test_a_reader_that_is_refused_says_so(live_server, product):
    reader = BackEnd(live_server.url, "x" * 8)

    [sentence] = differences(reader.finish(product.pk), product)

    assert "could not read the events" in sentence
    assert str(httpx.codes.UNAUTHORIZED.value) in sentence
    assert not Event.objects.exists()
