"""Events are delivered to endpoints: signed, at least once, with the same id each time."""

import json

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from checkout.models import Order
from flashsale.outbox import endpoints, feed, retention
from flashsale.outbox.deliveries import again, leadership, leasing, purging, sending
from flashsale.outbox.models import Delivery, Endpoint, Event
from flashsale.outbox.tests.support.deliveries import endpoint_at, happen, pass_time, run_after, statuses, tries
from flashsale.outbox.tests.support.receivers import receiver, status

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, DAY = 3_600, 24 * 3_600


def verify(secret, request):
    return Webhook(secret).verify(request.body, request.headers)


def test_what_happened_is_delivered_as_it_stands_in_the_feed(place, read):
    with receiver() as shop:
        endpoint = endpoint_at(shop, types=["order.placed"])
        place(2)
        sending.run()

    envelopes, page = read(types=["order.placed"])
    received = sorted(shop.requests, key=lambda request: request.body.decode() == page.bodies[1])
    assert [request.body.decode() for request in received] == page.bodies
    assert [verify(endpoint.secret, request) for request in received] == envelopes
    assert [request.headers["webhook-id"] for request in received] == [event["id"] for event in envelopes]
    assert {request.headers["content-type"] for request in received} == {"application/json"}
    delivery = Delivery.objects.first()
    assert (delivery.status, delivery.tries, delivery.last_status) == ("delivered", 1, 200)
    assert [(one["status"], one["error"]) for one in delivery.attempts] == [(200, "")]


def test_what_is_delivered_is_what_was_true_at_the_commit_though_its_order_is_gone(place, read):
    with receiver() as shop:
        endpoint_at(shop, types=["order.placed"])
        [order_id] = place()
        [envelope], _ = read(types=["order.placed"])
        Order.objects.all().delete()
        sending.run()

    [request] = shop.requests
    assert json.loads(request.body) == envelope
    assert envelope["data"]["order_id"] == order_id


def test_an_endpoint_gets_the_types_it_asked_for_from_its_creation_on():
    with receiver() as shop, receiver() as other:
        happen()
        of_all, of_refunds = endpoint_at(shop), endpoint_at(other, types=["refund.due", "refund.done"])
        gone = endpoint_at(other)
        endpoints.delete(gone.pk)
        happen(event_type="order.paid")
        happen(event_type="refund.due")
        sending.run()

    types = [json.loads(request.body)["type"] for request in shop.requests]
    assert sorted(types) == ["order.paid", "refund.due"]
    assert [json.loads(request.body)["type"] for request in other.requests] == ["refund.due"]
    assert of_all.deliveries.count() == 2
    assert of_refunds.deliveries.count() == 1


def test_a_rotation_in_the_middle_of_tries_signs_with_both_secrets_for_a_day():
    with receiver(status("500 Oh no")) as shop:
        old = endpoint_at(shop).secret
        happen()
        sending.run()
        new = endpoints.rotate_secret(Endpoint.objects.get().pk).secret
        run_after(HOUR)
        run_after(DAY)

    before, during, after = shop.requests
    assert len({request.headers["webhook-id"] for request in shop.requests}) == 1
    assert len({request.body for request in shop.requests}) == 1
    assert verify(old, before) == verify(old, during) == verify(new, during) == verify(new, after)
    with pytest.raises(WebhookVerificationError):
        verify(old, after)
    assert [len(request.headers["webhook-signature"].split(" ")) for request in shop.requests] == [1, 2, 1]


def test_a_rotation_that_is_repeated_takes_no_secret_away():
    with receiver() as shop:
        used = [endpoint_at(shop).secret]
        used += [endpoints.rotate_secret(Endpoint.objects.get().pk).secret for _ in range(2)]
        happen()
        sending.run()
        run_after(DAY)
        used.append(endpoints.rotate_secret(Endpoint.objects.get().pk).secret)
        happen()
        sending.run()

    first, second = shop.requests
    assert all(verify(secret, first) for secret in used[:3])
    assert all(verify(secret, second) for secret in used[2:])
    for ended in used[:2]:
        with pytest.raises(WebhookVerificationError):
            verify(ended, second)


def test_a_process_that_dies_while_it_sends_loses_nothing():
    with receiver() as shop:
        endpoint_at(shop)
        happen()
        [lost] = leasing.lease_due()
        assert sending.run() == 0
        run_after(leasing.LEASE_SECONDS)

    assert [request.headers["webhook-id"] for request in shop.requests] == [lost.message_id]
    assert (tries(), statuses()) == ([2], ["delivered"])


def test_a_delivery_that_kills_every_process_is_dead_after_its_last_try():
    with receiver() as shop:
        endpoint_at(shop)
        happen()
        for _ in range(12):
            assert len(leasing.lease_due()) == 1
            pass_time(leasing.LEASE_SECONDS)
        assert sending.run() == 0

    assert (tries(), statuses(), shop.requests) == ([12], ["dead"], [])
    assert Delivery.objects.get().last_error == "The process that sent it ended before the answer."


def test_an_answer_that_comes_after_its_lease_changes_nothing():
    with receiver() as shop:
        endpoint_at(shop)
        happen()
        [late] = leasing.lease_due()
        pass_time(leasing.LEASE_SECONDS)
        [present] = leasing.lease_due()
        sending.results.store(late, sending.post(late))
        assert statuses() == ["pending"]
        sending.results.store(present, sending.post(present))

    assert statuses() == ["delivered"]
    assert Delivery.objects.get().tries == 2


def test_an_event_is_tried_twelve_times_and_can_be_retried_and_replayed_with_the_same_id():
    with receiver(status("500 Oh no", body="fault")) as shop:
        endpoint = endpoint_at(shop)
        [event] = happen()
        for _ in range(12):
            assert run_after(2 * DAY) == 1
            Endpoint.objects.update(failing_since=endpoint.created_at)
        assert run_after(2 * DAY) == 0
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.tries, delivery.last_answer) == ("dead", 12, "fault")
        assert len(delivery.attempts) == 12
        again.retry(endpoint.pk, delivery.pk)
        sending.run()
    assert (statuses(), tries(), len(shop.requests)) == (["pending"], [1], 13)
    with receiver() as shop_again:
        endpoints.change(endpoint.pk, url=shop_again.url)
        again.enable(endpoint.pk)
        sending.run()
        assert statuses() == ["delivered"]
        assert again.replay(endpoint.pk, after=0, until=event.sequence).count == 1
        sending.run()

    requests = shop.requests + shop_again.requests
    assert {request.headers["webhook-id"] for request in requests} == {event.shown_id}
    assert (statuses(), tries(), len(shop_again.requests)) == (["delivered"], [1], 2)


def test_a_replay_sends_a_range_of_the_feed_to_a_new_endpoint_too(monkeypatch):
    monkeypatch.setattr(again, "MAX_REPLAYED", 3)
    with receiver() as shop:
        events = happen(5) + happen(event_type="refund.due") + happen(2)
        endpoint = endpoint_at(shop, types=["order.paid"])
        first = again.replay(endpoint.pk, after=events[0].sequence, until=events[-1].sequence)
        rest = again.replay(endpoint.pk, after=first.through, until=events[-1].sequence)
        none = again.replay(endpoint.pk, after=0, until=events[-1].sequence, types=["refund.due"])
        sending.run()

    assert (first.count, first.has_more, first.through) == (3, True, events[3].sequence)
    assert (rest.count, rest.has_more, none.count) == (3, False, 0)
    sent = {request.headers["webhook-id"] for request in shop.requests}
    assert sent == {event.shown_id for event in events[1:] if event.type == "order.paid"}
    assert len(shop.requests) == 6


def test_a_test_is_signed_and_sent_once_whatever_the_endpoints_status():
    with receiver() as shop:
        endpoint = endpoint_at(shop)
        endpoints.disable(endpoint.pk)
        delivery = again.test(endpoint.pk)
        sending.run()

    [request] = shop.requests
    envelope = verify(endpoint.secret, request)
    assert (envelope["type"], envelope["data"]) == ("webhook.test", {"webhook_endpoint_id": str(endpoint.pk)})
    assert envelope["id"] == request.headers["webhook-id"] == delivery.message_id
    assert statuses() == ["delivered"]
    assert Endpoint.objects.get().status == "disabled"
    assert feed.read(after=0, limit=9).bodies == []


def test_a_failed_test_is_not_tried_again_and_says_nothing_about_the_endpoint():
    with receiver(status("410 Gone")) as shop:
        again.test(endpoint_at(shop).pk)
        sending.run()

    assert (statuses(), tries(), run_after(DAY)) == (["dead"], [1], 0)
    assert Endpoint.objects.get().status == "enabled"


def test_deliveries_go_with_their_events_and_with_their_endpoint():
    with receiver() as shop:
        kept, deleted = endpoint_at(shop), endpoint_at(shop)
        happen(3)
        again.test(kept.pk)
        Event.objects.filter(pk=Event.objects.first().pk).update(recorded_at="2020-01-01T00:00:00Z")
        Delivery.objects.filter(event=None).update(created_at="2020-01-01T00:00:00Z")
        endpoints.delete(deleted.pk)
        retention.purge_events()
        while purging.purge_deliveries(limit=2):
            pass
        sending.run()

    assert len(shop.requests) == 2
    assert list(Endpoint.objects.values_list("pk", flat=True)) == [kept.pk]
    assert Delivery.objects.count() == 2


def test_only_one_of_the_processes_takes_deliveries_and_without_valkey_each_may(monkeypatch, settings):
    with receiver() as shop:
        endpoint_at(shop)
        happen()
        other = leadership.Leadership()
        assert other.holds()
        assert sending.run() == 0
        other.release()
        assert sending.run() == 1
        happen()
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        assert sending.run() == 1

    assert len(shop.requests) == 2


def test_no_log_line_has_a_secret_a_url_or_what_was_sent(caplog):
    with receiver(status("500 Oh no", body="c-17 is not known here")) as shop:
        endpoint = endpoint_at(shop)
        happen(customer="c-17")
        sending.run()
        endpoints.rotate_secret(endpoint.pk)
        run_after(HOUR)
        endpoints.disable(endpoint.pk)

    assert "delivery_failed" in caplog.text
    assert "endpoint_disabled" in caplog.text
    for secret in ("whsec_", endpoint.secret[6:], "c-17", "shop=1", str(shop.port)):
        assert secret not in caplog.text
    [message] = leasing_reprs(endpoint)
    assert not any(secret in message for secret in (endpoint.secret[6:], "shop=1", "c-17"))


def leasing_reprs(endpoint):
    again.enable(endpoint.pk)
    return [repr(message) for message in leasing.lease_due()]
