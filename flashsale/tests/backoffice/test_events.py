"""The feed of events over HTTP."""

import pytest

from checkout import orders
from flashsale.outbox import retention
from flashsale.outbox.models import Event
from flashsale.tests.support.backoffice import BackofficeClient
from flashsale.tests.support.problems import problem_of

pytestmark = pytest.mark.django_db(transaction=True)

FEED = "/api/v1/events"


@pytest.fixture
def reader(transactional_db):
    return BackofficeClient("events:read")


def test_a_purchase_is_read_page_by_page(reader, api, hold):
    order = api.post("/api/v1/orders", {"hold_id": hold.pk}).json()
    api.post(f"/api/v1/orders/{order['order_id']}/cancel")

    first = reader.get(FEED, {"limit": 1, "types": "order.placed,order.cancelled"}).json()
    second = reader.get(FEED, {"limit": 1, "types": "order.placed,order.cancelled", "after": first["next"]}).json()
    last = reader.get(FEED, {"after": second["next"]}).json()

    assert (first["has_more"], second["has_more"]) == (True, False)
    assert last == {"results": [], "next": second["next"], "has_more": False}
    [placed], [cancelled] = first["results"], second["results"]
    assert (placed["type"], placed["data"]) == ("order.placed", order | {"previous_status": None})
    shown = api.get(f"/api/v1/orders/{order['order_id']}").json()
    assert cancelled["data"] == shown | {"previous_status": "pending_payment"}
    assert list(placed) == ["id", "type", "timestamp", "sequence", "data"]


def test_an_event_is_read_by_its_id(reader, order):
    *_, event = reader.get(FEED).json()["results"]

    assert reader.get(f"{FEED}/{event['id']}").json() == event


@pytest.mark.parametrize(
    "event_id", ["evt_", "evt_x", f"evt_{'0' * 32}", "0" * 32, f"evt_{'A' * 32}", f"EVT_{'0' * 32}"]
)
def test_an_unknown_event_is_not_found(reader, event_id):
    problem_of(reader.get(f"{FEED}/{event_id}"), 404, "not_found")


def test_a_cursor_beyond_the_feed_is_told_what_can_be_read(reader, order):
    orders.cancel(order.pk)
    newest = reader.get(FEED).json()["next"]
    Event.objects.exclude(type="order.cancelled").update(recorded_at="2026-01-01T00:00Z")
    retention.purge_events()

    older = problem_of(reader.get(FEED, {"after": 0}), 410, "cursor_expired")
    newer = problem_of(reader.get(FEED, {"after": newest + 1}), 410, "cursor_expired")

    assert (older["oldest"], older["newest"]) == (newer["oldest"], newer["newest"]) == (newest - 1, newest)
    assert [event["type"] for event in reader.get(FEED, {"after": older["oldest"]}).json()["results"]] == [
        "order.cancelled"
    ]


@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=1.0", "after=x", f"after={2**63}", "limit=0", "limit=501", "types=", "types=order.lost", "x=1"],
)
def test_a_wrong_parameter_is_refused(reader, query):
    problem = problem_of(reader.get(f"{FEED}?{query}"), 400, "invalid")

    assert problem["errors"][0]["pointer"] == f"#query/{query.partition('=')[0]}"


def test_the_feed_needs_its_scope(transactional_db, api):
    problem_of(api.get(FEED), 401, "not_authenticated")
    refused = problem_of(BackofficeClient("storefront", "orders:read").get(FEED), 403, "scope_missing")
    assert refused["scope"] == "events:read"
