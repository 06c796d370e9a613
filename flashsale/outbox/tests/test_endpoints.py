"""An endpoint that fails is probed, disabled, enabled; it delays no other."""

import contextlib
import threading

import pytest
from django.db import connection

from flashsale.core import clock
from flashsale.core.refusals import InvalidRequest, NotFound
from flashsale.core.statements import array
from flashsale.core.webhook_signatures import new_secret
from flashsale.outbox import endpoints
from flashsale.outbox.deliveries import again, leasing, sending
from flashsale.outbox.endpoints import registering
from flashsale.outbox.models import Delivery, Endpoint
from flashsale.outbox.tests.support.deliveries import endpoint_at, happen, pile_up, run_after, statuses, tries
from flashsale.outbox.tests.support.receivers import is_silent, receiver, status
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import Meeting, at_once, counts, times, without_advisory_locks

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE, HOUR, DAY = 60, 3_600, 24 * 3_600
URL = "https://shop.example.com/hooks"


def test_of_a_failing_endpoint_one_delivery_at_a_time_is_tried():
    with receiver(status("500 Oh no")) as shop:
        endpoint_at(shop)
        happen(20)
        sending.run()
        at_first = len(shop.requests)
        assert sending.run() == 0
        probes = [run_after(HOUR * 1.3) for _ in range(5)]

    failing = Endpoint.objects.get()
    assert at_first == leasing.MAX_IN_FLIGHT
    assert probes == [1] * 5
    assert (failing.status, failing.failures) == ("failing", 6)
    assert tries() == [1] * 9 + [0] * 11
    assert set(statuses()) == {"pending"}


def test_the_probes_of_a_failing_endpoint_become_an_hour_apart():
    with receiver(status("500 Oh no")) as shop:
        endpoint_at(shop)
        happen(20)
        waits = []
        for _ in range(8):
            run_after(DAY / 2)
            Endpoint.objects.update(failing_since="2100-01-01T00:00:00Z")
            row = Endpoint.objects.extra(select={"wait": "extract(epoch FROM next_probe_at - clock_timestamp())"}).get()
            waits.append(row.wait)

    for wait, usual in zip(waits, [5, 30, 120, 600, 1_800, 3_600, 3_600, 3_600], strict=True):
        assert usual * 0.8 - WAIT_SECONDS < wait <= usual * 1.2


def test_a_success_ends_the_failing_and_all_that_waited_is_sent():
    is_well = []

    def answer(connection, shop):
        status("200 OK" if is_well else "503 Busy")(connection, shop)

    with receiver(answer) as shop:
        endpoint_at(shop)
        happen(20)
        sending.run()
        is_well.append(True)
        run_after(DAY)

    assert set(statuses()) == {"delivered"}
    endpoint = Endpoint.objects.get()
    assert (endpoint.status, endpoint.failing_since, endpoint.failures) == ("enabled", None, 0)
    assert len({request.headers["webhook-id"] for request in shop.requests}) == 20


def test_a_failing_endpoint_is_tried_at_once_at_its_new_url():
    with receiver(status("500 Oh no")) as broken, receiver() as shop:
        endpoint = endpoint_at(broken)
        happen()
        sending.run()
        endpoints.change(endpoint.pk, description="Warehouse")
        Delivery.objects.update(next_try_at=clock.now())
        assert sending.run() == 0
        endpoints.change(endpoint.pk, url=shop.url)
        sending.run()

    assert (len(broken.requests), len(shop.requests)) == (1, 1)
    assert Endpoint.objects.get().status == "enabled"


def test_five_days_of_nothing_but_failures_disable_and_enable_sends_what_was_missed():
    with receiver(status("500 Oh no")) as shop:
        endpoint = endpoint_at(shop)
        happen(9)
        sending.run()
        run_after(4.9 * DAY)
        assert Endpoint.objects.get().status == "failing"
        run_after(0.2 * DAY)
        disabled = Endpoint.objects.get()
        assert (disabled.status, disabled.disabled_reason) == ("disabled", "failures")
        happen()
        assert run_after(DAY) == 0
    with receiver() as shop:
        endpoints.change(endpoint.pk, url=shop.url)
        assert sending.run() == 0
        again.enable(endpoint.pk)
        sending.run()

    assert set(statuses()) == {"delivered"}
    assert len(shop.requests) == 10
    assert Endpoint.objects.get().status == "enabled"


def test_an_endpoint_that_is_gone_is_disabled_at_once():
    with receiver(status("410 Gone")) as shop:
        endpoint_at(shop)
        happen()
        sending.run()
        happen()
        assert run_after(DAY) == 0

    endpoint = Endpoint.objects.get()
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "gone")
    assert statuses() == ["pending", "pending"]


@pytest.mark.parametrize(("asked", "seconds"), [("120", 120), ("999999", HOUR)])
def test_an_endpoint_that_asks_for_time_is_left_alone_for_an_hour_at_most(asked, seconds):
    with receiver(status("429 Slow down", f"Retry-After: {asked}")) as shop:
        endpoint_at(shop)
        happen()
        sending.run()
        happen()
        assert run_after(seconds - 1 - MINUTE) == 0
        assert run_after(MINUTE + 1 + WAIT_SECONDS) == 1


def run_in_thread():
    with contextlib.closing(connection):
        sending.run()


@contextlib.contextmanager
def silent_probe():
    """A failing endpoint with many events, whose probe is under way; it ends without an answer afterwards."""
    with receiver(is_silent) as dead:
        endpoint = endpoint_at(dead, types=["order.paid"])
        past = endpoint.created_at
        Endpoint.objects.update(status="failing", failures=1, failing_since=past, next_probe_at=past)
        pile_up(endpoint, 100_000)
        run = threading.Thread(target=run_in_thread, daemon=True)
        run.start()
        wait_until(lambda: dead.requests)
        yield endpoint
        assert len(dead.requests) == 1
        assert Delivery.objects.filter(endpoint=endpoint, lease__isnull=False).count() == 1
    run.join(WAIT_SECONDS)
    assert not run.is_alive()
    assert Delivery.objects.filter(endpoint=endpoint, tries__gt=0).count() == 1


def test_a_dead_endpoint_with_100_000_events_delays_no_other_and_costs_one_probe(monkeypatch):
    # While the first run only waits for the probe, the next one takes deliveries.
    with receiver() as shop:
        endpoint_at(shop, types=["refund.due"])
        with silent_probe():
            happen(5, event_type="refund.due")
            wait_until(lambda: len(shop.requests) == 5)
            plan = explained(leasing._LEASE, [4, array(Endpoint.objects.values_list("pk", flat=True)), 4, 60])

    assert "Seq Scan on outbox_delivery" not in plan
    assert plan.count("Index") >= 3


def test_while_a_run_waits_for_an_answer_the_next_one_takes_deliveries(monkeypatch):
    monkeypatch.setattr(sending, "LEAD_SECONDS", 0.5)
    with receiver() as shop, receiver(is_silent) as dead:
        endpoint_at(dead, types=["order.paid"])
        endpoint_at(shop, types=["refund.due"])
        happen()
        run = threading.Thread(target=run_in_thread, daemon=True)
        run.start()
        wait_until(lambda: dead.requests)
        happen(event_type="refund.due")
        wait_until(lambda: sending.run() or shop.requests)

        wait_until(lambda: shop.requests)
        assert run.is_alive()
        dead.is_stopped.set()
        run.join(WAIT_SECONDS)

    assert statuses() == ["pending", "delivered"]


def explained(sql, params):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE outbox_delivery")
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


def race_of_two_senders(monkeypatch):
    """Let two processes look for what is due at once; return the ids of the deliveries that both leased."""
    with receiver() as shop:
        endpoint_at(shop)
    happen(20)
    meeting = Meeting(2)
    monkeypatch.setattr(leasing, "send", meeting.before(leasing.send))
    first, second = at_once(*times(2, leasing.lease_due))
    return [message.delivery_id for message in first + second]


def test_two_processes_lease_each_delivery_once_and_four_in_all(monkeypatch):
    leased = race_of_two_senders(monkeypatch)

    assert len(leased) == len(set(leased)) == leasing.MAX_IN_FLIGHT


def test_the_control_without_locks_and_a_second_look_leases_the_same_twice(monkeypatch):
    second_look = "AND delivery.status = 'pending' AND delivery.next_try_at <= statement_timestamp()"
    assert second_look in leasing._LEASE
    monkeypatch.setattr(leasing, "_LEASE", leasing._LEASE.replace(second_look, ""))
    monkeypatch.setattr(leasing, "_LOCK", leasing._LOCK.replace("FOR NO KEY UPDATE SKIP LOCKED", ""))

    leased = race_of_two_senders(monkeypatch)

    assert len(leased) == 2 * len(set(leased))


def race_for_the_last_place(monkeypatch):
    """Create two endpoints at once where only one more may be; return the results."""
    monkeypatch.setattr(registering, "MAX_ENDPOINTS", 3)
    for _ in range(2):
        endpoints.create(url=URL)
    meeting = Meeting(2)
    monkeypatch.setattr(registering.webhook_signatures, "new_secret", meeting.before(new_secret))
    return counts(at_once(*times(2, lambda: endpoints.create(url=URL))))


def test_there_are_never_more_endpoints_than_the_limit(monkeypatch):
    assert race_for_the_last_place(monkeypatch) == {"Endpoint": 1, "TooManyEndpoints": 1}
    endpoints.delete(Endpoint.objects.first().pk)
    endpoints.create(url=URL)


def test_the_control_without_the_lock_registers_one_too_many(monkeypatch):
    without_advisory_locks(monkeypatch)

    assert race_for_the_last_place(monkeypatch) == {"Endpoint": 2}


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"url": "http://shop.example.com/"}, "#/url"),
        ({"url": "https://10.1.2.3/"}, "#/url"),
        ({"url": "https://2130706433/"}, "#/url"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "#/url"),
        ({"url": "https://user:key@shop.example.com/"}, "#/url"),
        ({"url": URL, "types": ["order.paid", "order.lost"]}, "#/types"),
        ({"url": URL, "description": "x" * 201}, "#/description"),
    ],
)
def test_an_endpoint_that_could_get_nothing_is_refused(values, pointer, settings):
    settings.LOCAL_MODE = False
    endpoint = endpoints.create(url=URL)

    for refused in (lambda: endpoints.create(**values), lambda: endpoints.change(endpoint.pk, **values)):
        with pytest.raises(InvalidRequest) as refusal:
            refused()
        assert refusal.value.pointer == pointer

    assert list(Endpoint.objects.values_list("url", "types", "description")) == [(URL, [], "")]


def test_a_deleted_endpoint_is_not_there_for_any_verb_and_keeps_no_secret():
    endpoint = endpoints.create(url=URL)
    endpoints.rotate_secret(endpoint.pk)
    endpoints.delete(endpoint.pk)

    gone = [endpoints.delete, endpoints.change, endpoints.rotate_secret, endpoints.disable, again.enable, again.test]
    for verb in gone:
        with pytest.raises(NotFound):
            verb(endpoint.pk)
    assert list(Endpoint.objects.values_list("secret", "previous_secrets")) == [("", [])]
