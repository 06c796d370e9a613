"""/metrics: access, counters and gauges, and the sum over several processes."""

import json
import os
import re
import socket
import subprocess
import sys
import uuid
from datetime import timedelta

import httpx
import pytest
from django.db import OperationalError, connection

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, orders, tasks
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass
from checkout.tests.support.queues import join, queued_product, start_sale
from checkout.waiting_room.counts import counter
from flashsale.core import clock, events, tracing
from flashsale.core.events import EVENTS
from flashsale.models import BeatLease
from flashsale.outbox import endpoints
from flashsale.outbox.models import Endpoint
from flashsale.outbox.tests.support.deliveries import happen, pass_time
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS, free_port, start, stop, wait_until
from flashsale.tests.support.web import database_url
from payments.models import EventCursor, PaymentAttempt, WebhookEvent
from payments.tests.factories import let_event_pass, receive
from payments.tests.support.account import attempt_for

REQUESTS = 40


def numbers(text: str) -> dict[str, float]:
    """The samples of an exposition, by name with labels."""
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def test_without_a_token_only_local_mode_answers(client, db, settings):
    assert client.get("/metrics").status_code == 200

    settings.LOCAL_MODE = False

    assert client.get("/metrics").status_code == 404


def test_reading_metrics_needs_the_token(client, db, settings):
    settings.LOCAL_MODE, settings.METRICS_TOKEN = False, "right"

    answers = [client.get("/metrics", headers=headers) for headers in (
        {}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer right"}, {"Authorization": "Bearer ünright"},
    )]  # fmt: skip

    assert [answer.status_code for answer in answers] == [401, 401, 200, 401]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"


def test_gauges_show_what_is_waiting_and_for_how_long(client, product):
    paid, late = OrderFactory(product=product), OrderFactory(product=product)
    receive(order_id=paid.pk, payment_id="pay_1")
    orders.cancel(late.pk)
    receive(order_id=late.pk, payment_id="pay_2")
    receive(order_id="5b2f3a44-8f3f-4f0e-9a3c-111111111111", payment_id="pay_3")
    let_hold_pass(HoldFactory(product=product))
    audit.store_result(0)

    found = numbers(client.get("/metrics").content.decode())

    units = {
        state: found[f'flashsale_stock_units{{product="{product.pk}",state="{state}"}}'] for state in ("total", "sold")
    }
    assert units == {"total": 10, "sold": paid.quantity}
    assert found["flashsale_refunds_waiting"] == 1
    assert found["flashsale_refund_waiting_seconds"] > 0
    assert found['flashsale_webhook_events{status="parked"}'] == 1
    assert found['flashsale_expiry_lag_seconds{kind="hold"}'] > 0
    assert found['flashsale_expiry_lag_seconds{kind="order"}'] == 0
    assert found["flashsale_drifting_products"] == 0
    assert (
        found['flashsale_database_connections{state="max"}']
        >= found['flashsale_database_connections{state="used"}']
        > 0
    )
    assert found["flashsale_database_up"] == found["flashsale_redis_up"] == 1


def test_gauges_show_payments_that_only_asking_told_of(client, order, settings):
    settings.SHOP_MAKES_PAYMENTS = True
    EventCursor.objects.create(provider="stripe", shop_id="shop-1", read_until=clock.now() - timedelta(hours=1))
    attempt = attempt_for(order, "pi_1")
    PaymentAttempt.objects.filter(pk=attempt.pk).update(status="closing", tries=3, ended_at=None)
    silence = 'flashsale_webhook_silence_seconds{provider="standard"}'

    told = receive(order_id=order.pk, payment_id="pay_0").event
    let_event_pass(told, seconds=1000)
    for seconds in (900, 300):
        event = receive(order_id=order.pk, payment_id=f"pay_{seconds}").event
        let_event_pass(event, seconds=seconds)
        WebhookEvent.objects.filter(pk=event.pk).update(source="listed")

    found = numbers(client.get("/metrics").content.decode())
    assert found["flashsale_payment_attempts_unanswered"] == 1
    assert found['flashsale_event_sweep_age_seconds{provider="stripe"}'] >= 3600
    assert 599 < found[silence] < 602
    receive(order_id=order.pk, payment_id="pay_1")
    assert silence not in numbers(client.get("/metrics").content.decode())


def test_gauges_show_endpoints_that_take_no_events_and_what_waits_for_them(client, transactional_db):
    states = {
        "enabled": {}, "disabled": {"disabled_reason": "gone"},
        "failing": {"failing_since": clock.now(), "next_probe_at": clock.now(), "failures": 1},
    }  # fmt: skip
    for status, facts in states.items():
        endpoint = endpoints.create(url="https://shop.example.com/hooks")
        Endpoint.objects.filter(pk=endpoint.pk).update(status=status, **facts)
    endpoints.disable(endpoints.create(url="https://shop.example.com/hooks").pk)
    happen(2)
    pass_time(100)

    found = numbers(client.get("/metrics").content.decode())

    assert [found[f'flashsale_endpoints{{status="{status}"}}'] for status in states] == [1, 1, 1]
    assert found["flashsale_deliveries_pending"] == 8
    assert found["flashsale_delivery_pending_seconds"] > 0
    assert found["flashsale_delivery_lag_seconds"] > 100


def test_gauges_show_queues_and_those_of_their_pace_from_the_draw_on(client, api, product):
    before, started = queued_product(stock=7), queued_product(stock=9)
    for queued in (before, started):
        join(api, queued)
    counter.store()
    start_sale(started)

    found = numbers(client.get("/metrics").content.decode())

    def of(queued, gauge: str, *labels: str) -> float | None:
        names = ",".join(sorted([f'product="{queued.pk}"', *labels]))
        return found.get(f"flashsale_waiting_room_{gauge}{{{names}}}")

    for queued, units in ((before, 7), (started, 9)):
        assert of(queued, "tickets", 'state="minted"') == of(queued, "tickets", 'state="waiting"') == 1
        assert of(queued, "free_units") == units
        assert of(queued, "unmoved_seconds") < WAIT_SECONDS
    assert of(before, "pace", 'of="tickets"') is of(before, "wait_seconds") is None
    assert of(started, "pace", 'of="tickets"') == of(started, "pace", 'of="buyers"') > 0
    assert (of(started, "serving"), of(started, "show_up")) == (0, 1)
    assert of(started, "wait_seconds") > 0
    assert [of(started, "limit", f'by="{limit}"') for limit in ("stock", "pause")] == [1, 0]
    assert of(product, "tickets", 'state="minted"') is None


def test_gauges_show_which_beat_sends_and_since_when_none_did(client, db):
    host = socket.gethostname()
    BeatLease.objects.create(
        holder=uuid.uuid4(), host=host, expires_at=clock.now() + timedelta(seconds=9),
        sent_at=clock.now() - timedelta(seconds=100),
    )  # fmt: skip

    found = numbers(client.get("/metrics").content.decode())
    assert found[f'flashsale_beat_leads{{host="{host}"}}'] == 1
    assert 100 <= found["flashsale_beat_silence_seconds"] < 100 + WAIT_SECONDS

    BeatLease.objects.update(expires_at=clock.now())
    assert numbers(client.get("/metrics").content.decode())[f'flashsale_beat_leads{{host="{host}"}}'] == 0


def test_gauges_of_a_server_that_is_down_are_missing_and_the_others_present(client, db, settings, monkeypatch):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    without_redis = numbers(client.get("/metrics").content.decode())

    def gone():
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", gone)
        without_both = numbers(client.get("/metrics").content.decode())

    assert (without_redis["flashsale_redis_up"], without_redis["flashsale_database_up"]) == (0, 1)
    assert (without_both["flashsale_redis_up"], without_both["flashsale_database_up"]) == (0, 0)


def test_unknown_methods_and_paths_add_no_series(client, db):
    for number in range(5):
        client.generic(f"INVENTED{number}", f"/invented/{number}")

    text = client.get("/metrics").content.decode()

    assert "INVENTED" not in text
    assert 'method="other",status="404",view="none"' in text


def test_every_event_has_a_counter_from_the_start(client, db):
    text = client.get("/metrics").content.decode()

    assert [name for name, kind in EVENTS.items() if f"# TYPE {kind.counter._name}_total counter" not in text] == []


@pytest.mark.http
@pytest.mark.django_db(transaction=True)
def test_several_processes_count_together(tmp_path):
    product, port = ProductFactory(stock=REQUESTS // 2), free_port()
    environment = os.environ | {
        "DATABASE_URL": database_url(), "PORT": str(port), "WEB_HOST": "127.0.0.1", "WEB_WORKERS": "2",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "made" / "here"), "METRICS_TOKEN": "a-token",
    }  # fmt: skip
    server = start(sys.executable, "-m", "flashsale.server", environment=environment, cwd=PROJECT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/livez"), what="the server answers")
        for _ in range(REQUESTS):
            # A connection of its own each time, so that both processes get some.
            httpx.post(f"{url}/api/v1/holds", json={"product_id": product.pk, "quantity": 1})
        text = httpx.get(f"{url}/metrics", headers={"Authorization": "Bearer a-token"}).text
    finally:
        stop(server)

    found = numbers(text)
    refused = found['flashsale_holds_refused_total{code="insufficient_stock"}']
    assert (found["flashsale_holds_placed_total"], refused) == (Stock.objects.get().reserved, REQUESTS // 2)
    by_status = {
        status: found[f'flashsale_http_request_seconds_count{{method="POST",status="{status}",view="hold-list"}}']
        for status in (201, 409)
    }
    assert by_status == {201: REQUESTS // 2, 409: REQUESTS // 2}
    assert len(list((tmp_path / "made" / "here").glob("counter_*.db"))) >= 2


def answers(url: str) -> bool:
    """Say whether something answers there."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.http
@pytest.mark.django_db(transaction=True)
def test_a_worker_serves_the_metrics_of_its_processes_and_logs_the_trace_of_a_task(tmp_path):
    product, port = ProductFactory(stock=5), free_port()
    let_hold_pass(HoldFactory(product=product, quantity=2))
    environment = os.environ | {
        "DATABASE_URL": database_url(), "METRICS_PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "all"),
        "LOG_FORMAT": "json",
    }  # fmt: skip
    queue, expired = f"metrics-{port}", r"^flashsale_holds_expired_total 1\.0$"
    argv = ["-m", "celery", "-A", "flashsale", "worker", "-c", "2", "-n", f"{queue}@%h", "-Q", queue]
    with (tmp_path / "log").open("w") as log:
        worker = start(sys.executable, *argv, environment=environment, stdout=log, stderr=log)
    try:
        tracing.begin("a request", f"00-{'a' * 32}-{'b' * 16}-01")
        with events.bound_to_request("a request"):
            tasks.expire_holds.apply_async(queue=queue)
        tracing.end("a request")
        url = f"http://127.0.0.1:{port}/metrics"
        wait_until(lambda: answers(url) and re.search(expired, httpx.get(url).text, re.MULTILINE), what="its numbers")

        second = start(sys.executable, *argv, environment=environment, cwd=PROJECT, stderr=subprocess.PIPE)
        said = second.communicate(timeout=WAIT_SECONDS)[1]
    finally:
        stop(worker)
    assert second.returncode == 1
    last_line = said.splitlines()[-1]
    assert re.fullmatch(rf"celery: Port {port} of 0\.0\.0\.0 cannot be used \(Address already in use\): .+", last_line)
    [line] = [line for line in (tmp_path / "log").read_text().splitlines() if '"holds_expired"' in line]
    assert (json.loads(line)["trace_id"], json.loads(line)["parent_id"]) == ("a" * 32, "b" * 16)
