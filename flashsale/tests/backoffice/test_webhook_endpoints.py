"""Endpoints for webhooks and their deliveries, over the back office API."""

import pytest
from standardwebhooks import Webhook

from flashsale.core.submissions.models import TokenAction
from flashsale.outbox import endpoints
from flashsale.outbox.deliveries import sending
from flashsale.outbox.models import Delivery, Endpoint
from flashsale.outbox.tests.support.deliveries import endpoint_at, happen
from flashsale.outbox.tests.support.receivers import receiver, status
from flashsale.tests.support.backoffice import new_key
from flashsale.tests.support.problems import problem_of

pytestmark = pytest.mark.django_db(transaction=True)

BASE = "/api/v1/webhook-endpoints"
URL = "https://erp.example.com/hooks?key=4711"


def ok(answer, code=200):
    assert answer.status_code == code, answer.content
    return answer.json()


def test_an_endpoint_lives_as_its_owner_says_and_shows_its_secret_once(erp):
    made = erp.post(BASE, {"url": URL, "types": ["order.paid"], "description": "Warehouse"}, key=None)
    first = ok(made, 201)
    path = made.headers["Location"]
    changed = ok(erp.patch(path, {"types": [], "description": None}))
    rotated = ok(erp.post(f"{path}/rotate-secret", key=None))
    disabled = ok(erp.post(f"{path}/disable", key=None))
    enabled = ok(erp.post(f"{path}/enable", key=None))
    listed = ok(erp.get(BASE))

    assert path == f"{BASE}/{first['id']}"
    assert (first["url"], first["types"], first["description"], first["status"]) == (
        URL, ["order.paid"], "Warehouse", "enabled",
    )  # fmt: skip
    assert (changed["types"], changed["description"], changed["url"]) == ([], None, URL)
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "requested")
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    assert len({first["secret"], rotated["secret"]}) == 2
    assert [one["id"] for one in listed["results"]] == [first["id"]]
    assert not any("secret" in one for one in [changed, disabled, enabled, listed["results"][0], ok(erp.get(path))])
    assert erp.delete(path).status_code == 204
    problem_of(erp.get(path), 404, "not_found")
    assert ok(erp.get(BASE))["results"] == []
    done = list(TokenAction.objects.order_by("pk").values_list("text", flat=True))
    assert done == [
        "Added.", "Changed: types, description.", "Given a new secret.", "Disabled.", "Enabled.", "Deleted.",
    ]  # fmt: skip


def test_a_repeated_request_creates_nothing_and_shows_the_secret_again(erp):
    key = new_key()
    first, again = (erp.post(BASE, {"url": URL}, key=key) for _ in range(2))
    other = erp.post(BASE, {"url": URL, "types": ["order.paid"]}, key=key)

    assert ok(first, 201) == ok(again, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    problem_of(other, 422, "idempotency_key_reused")
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "#/url", "required"),
        ({"url": 7}, "#/url", "not_text"),
        ({"url": "erp.example.com"}, "#/url", "invalid_url"),
        ({"url": "http://erp.example.com/"}, "#/url", "not_https"),
        ({"url": "https://127.1/"}, "#/url", "address_not_allowed"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "#/url", "address_not_allowed"),
        ({"url": URL, "types": "order.paid"}, "#/types", "not_types"),
        ({"url": URL, "types": ["order.paid"] * 99}, "#/types", "too_many"),
        ({"url": URL, "types": ["order.lost"]}, "#/types", "not_a_choice"),
        ({"url": URL, "description": "x" * 201}, "#/description", "too_long"),
        ({"url": URL, "secret": "whsec_"}, "#/secret", "unknown"),
    ],
)
def test_a_wrong_member_is_named_and_registers_nothing(erp, settings, body, pointer, code):
    settings.LOCAL_MODE = False

    problem = problem_of(erp.post(BASE, body), 400, "invalid")

    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, code)]
    assert Endpoint.objects.count() == 0


def test_the_twenty_first_endpoint_is_refused(erp):
    for _ in range(endpoints.MAX_ENDPOINTS):
        endpoints.create(url=URL)

    assert problem_of(erp.post(BASE, {"url": URL}), 409, "too_many_endpoints")["limit"] == 20


def test_deliveries_are_listed_retried_and_replayed(erp):
    with receiver(status("500 Oh no", body="Down")) as shop:
        path = f"{BASE}/{endpoint_at(shop).pk}"
        events = happen(3)
        sending.run()
        pages = [ok(erp.get(f"{path}/deliveries", {"limit": 2}))]
        pages.append(ok(erp.get(pages[0]["next"])))
        latest = pages[0]["results"][0]
    with receiver() as shop:
        ok(erp.patch(path, {"url": shop.url}))
        ok(erp.post(f"{path}/enable"))
        sending.run()
        retried = ok(erp.post(f"{path}/deliveries/{latest['id']}/retry"), 202)
        replayed = ok(erp.post(f"{path}/replay", {"after": events[0].sequence, "types": ["order.paid"]}), 202)
        sending.run()
    delivered = ok(erp.get(f"{path}/deliveries", {"status": "delivered"}))["results"]

    assert [one["message_id"] for page in pages for one in page["results"]] == [e.shown_id for e in reversed(events)]
    assert pages[1]["next"] is None
    assert (latest["status"], latest["last_status"], latest["last_answer"]) == ("pending", 500, "Down")
    [attempt] = latest["attempts"]
    assert list(attempt) == ["at", "status", "duration_ms", "error"]
    assert (attempt["status"], attempt["error"]) == (500, "The endpoint answered 500.")
    assert attempt["at"].endswith("Z")
    assert (retried["status"], retried["tries"], retried["message_id"]) == ("pending", 0, latest["message_id"])
    assert replayed == {"count": 2, "through": events[-1].sequence, "has_more": False}
    assert len(delivered) == 3
    assert {one["sequence"] for one in delivered} == {event.sequence for event in events}
    assert ok(erp.get(f"{path}/deliveries", {"status": "dead"}))["results"] == []
    # Once when the endpoint was enabled, and the last two again.
    assert len(shop.requests) == 5


def test_a_range_that_ends_before_it_begins_is_refused(erp):
    path = f"{BASE}/{endpoints.create(url=URL).pk}/replay"

    faults = problem_of(erp.post(path, {"after": 5, "until": 4}), 400, "invalid")["errors"]

    assert [fault["pointer"] for fault in faults] == ["#/until"]
    assert ok(erp.post(path, {"after": 5, "until": 5}), 202)["count"] == 0


def test_a_test_is_sent_soon_and_its_delivery_tells_what_was_answered(erp):
    with receiver(status("202 Accepted", body="thanks")) as shop:
        made = ok(erp.post(BASE, {"url": shop.url}), 201)
        path = f"{BASE}/{made['id']}"
        tested = ok(erp.post(f"{path}/test"), 202)
        sending.run()

    [delivery] = ok(erp.get(f"{path}/deliveries"))["results"]
    assert (tested["type"], tested["status"], tested["sequence"]) == ("webhook.test", "pending", None)
    assert (delivery["message_id"], delivery["status"]) == (tested["message_id"], "delivered")
    assert (delivery["last_status"], delivery["last_answer"]) == (202, "thanks")
    [request] = shop.requests
    assert Webhook(made["secret"]).verify(request.body, request.headers)["id"] == tested["message_id"]


@pytest.mark.parametrize("path", ["x", "00000000-0000-4000-8000-000000000000"])
def test_what_is_not_there_is_404_for_every_action(erp, path):
    answers = [erp.post(f"{BASE}/{path}/{verb}") for verb in ("rotate-secret", "test", "enable", "disable")]
    answers += [erp.post(f"{BASE}/{path}/replay", {"after": 0}), erp.patch(f"{BASE}/{path}", {"url": URL})]
    answers += [erp.get(f"{BASE}/{path}"), erp.delete(f"{BASE}/{path}"), erp.get(f"{BASE}/{path}/deliveries")]
    answers += [erp.post(f"{BASE}/{path}/deliveries/1/retry"), erp.post(f"{BASE}/{path}/deliveries/x/retry")]

    for answer in answers:
        problem_of(answer, 404, "not_found")


def test_a_delivery_of_another_endpoint_is_not_there(erp):
    own, other = endpoints.create(url=URL), endpoints.create(url=URL)
    happen()
    delivery = Delivery.objects.get(endpoint=other)

    problem_of(erp.post(f"{BASE}/{own.pk}/deliveries/{delivery.pk}/retry"), 404, "not_found")
