"""Buyers of one web process who all want to pay, at a provider that limits them, answers late, or not at all."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psycopg
import pytest
from django.db import connections

from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.capacity import shares
from flashsale.local_provider.running import RunningProvider, running
from flashsale.tests.chaos.proxy import Proxy, Refuse
from flashsale.tests.chaos.shop import valkey_socket
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.web import database_url, web_server
from payments import attempts
from payments.models import Payment, PaymentAttempt
from payments.tests.support.attempts import WEBHOOK_PATH, let_attempt_pass

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]

CREATE = "POST /v1/payment_intents"
# Three times as fast as by default: at 20 of 25 requests a second these buyers take 15 seconds.
BUYERS, SHOP_RATE, PROVIDER_RATE = 300, 60, 75
# More than may ask at once.
AT_ONCE = 48
MORE = 8
KEYS = {"api_key": "sk_test_local", "publishable_key": "pk_test_local", "webhook_secret": "whsec_local"}


@pytest.fixture(scope="module")
def provider() -> Iterator[RunningProvider]:
    with running(**KEYS, requests_per_second=PROVIDER_RATE) as provider:
        yield provider


@pytest.fixture(scope="module")
def valkey() -> Iterator[Proxy]:
    proxy = Proxy(valkey_socket())
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def shop(provider, valkey, django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[str]:
    """The address of a shop with one web process, and no workers."""
    environment = {
        "STRIPE_API_BASE": provider.url, "STRIPE_API_KEY": KEYS["api_key"],
        "STRIPE_PUBLISHABLE_KEY": KEYS["publishable_key"], "STRIPE_WEBHOOK_SECRETS": KEYS["webhook_secret"],
        "SHOP_ID": "shop-1", "STRIPE_REQUESTS_PER_SECOND": str(SHOP_RATE),
        "REDIS_URL": f"redis://127.0.0.1:{valkey.port}/0",
    }  # fmt: skip
    log = tmp_path_factory.mktemp("shop") / "log"
    with (
        django_db_blocker.unblock(),
        web_server(log, application="flashsale.tests.support.patient_payments:application", **environment) as port,
    ):
        yield f"http://127.0.0.1:{port}"
    assert "Traceback" not in log.read_text()


@pytest.fixture
def client(shop, provider) -> Iterator[httpx.Client]:
    provider.set_habits()
    with httpx.Client(
        base_url=shop, timeout=WAIT_SECONDS, trust_env=False, limits=httpx.Limits(max_connections=None)
    ) as client:
        yield client


@pytest.fixture
def made(provider) -> set[str]:
    """The payments that the provider made before."""
    return {one["id"] for one in provider.objects("payment_intent")}


def pay(client: httpx.Client, order: Order) -> httpx.Response:
    return client.post(f"/api/v1/orders/{order.pk}/payment", json={})


def payments_of(provider: RunningProvider, made: set[str]) -> Counter[str]:
    """Return how many payments the provider made for each order since then."""
    return Counter(one["metadata"]["order_id"] for one in provider.objects("payment_intent") if one["id"] not in made)


@pytest.fixture
def payer(provider, settings) -> Iterator[None]:
    """The task that makes and closes payments, in this process, as soon as it has ended."""
    settings.STRIPE_API_BASE, settings.STRIPE_API_KEY = provider.url, KEYS["api_key"]
    settings.SHOP_ID, settings.STRIPE_REQUESTS_PER_SECOND = "shop-1", SHOP_RATE
    is_over = threading.Event()

    def run() -> None:
        while not is_over.is_set():
            attempts.run_due()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    is_over.set()
    thread.join()


def test_a_crowd_that_pays_at_once_gets_a_payment_each(client, provider, made, payer):
    """The provider refuses what is too much, which costs tries and time: hardly any request may be one of those."""
    product = ProductFactory(stock=BUYERS)
    waiting, before = [OrderFactory(product=product) for _ in range(BUYERS)], len(provider.received(CREATE))
    everyone = {str(order.pk) for order in waiting}
    statuses: Counter[int] = Counter()

    with ThreadPoolExecutor(AT_ONCE) as buyers:
        while waiting:
            answers = list(buyers.map(lambda order: pay(client, order).status_code, waiting))
            statuses.update(answers)
            waiting = [order for order, status in zip(waiting, answers, strict=True) if status == 202]

    assert set(statuses) == {201, 202}
    assert statuses[201] == BUYERS
    assert payments_of(provider, made) == dict.fromkeys(everyone, 1)
    assert len(provider.received(CREATE)) - before <= BUYERS * 1.05


def _sessions_in_use() -> int:
    with psycopg.connect(database_url(), autocommit=True) as session:
        return session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        ).fetchone()[0]


def test_while_the_provider_does_not_answer_everything_else_is_answered(client, provider, made):
    product = ProductFactory(stock=1_000)
    asking = shares.provider_requests()
    waiting, others = [OrderFactory(product=product) for _ in range(asking + MORE)], asking + MORE
    paid, held = OrderFactory(product=product), [HoldFactory(product=product) for _ in range(MORE)]
    provider.pay(pay(client, paid).json()["payment"]["client_secret"].partition("_secret")[0])
    provider.set_habits(delay_seconds=WAIT_SECONDS, only=[CREATE])
    before = len(provider.received(CREATE))

    with ThreadPoolExecutor(others) as buyers, ThreadPoolExecutor(MORE) as shoppers:
        asked = [buyers.submit(pay, client, order) for order in waiting]
        wait_until(lambda: len(done(asked)) == MORE, what="all but a quarter of the threads are answered")
        wait_until(lambda: len(provider.received(CREATE)) - before == asking, what="a quarter of the threads asks")
        assert {answer.status_code for answer in done(asked)} == {202}

        wanted = {"product_id": product.pk, "quantity": 1}
        holds = shoppers.map(lambda _: client.post("/api/v1/holds", json=wanted).status_code, range(MORE))
        orders = shoppers.map(lambda hold: client.post("/api/v1/orders", json={"hold_id": str(hold.pk)}), held)
        told = [client.post(WEBHOOK_PATH, content=body, headers=sent) for body, sent in provider.take_webhooks()]
        assert set(holds) == {201}
        assert {answer.status_code for answer in orders} == {201}
        assert {answer.status_code for answer in told} == {200}
        assert client.get(f"/api/v1/orders/{paid.pk}").json()["status"] == "paid"
        assert len(done(asked)) == MORE
        wait_until(lambda: _sessions_in_use() == 0, what="no connection waits for the provider's answer")

        provider.set_habits()
        provider.end_waiting()
        assert Counter(one.result().status_code for one in asked) == {201: asking, 202: MORE}

    assert {pay(client, order).status_code for order in waiting} <= {200, 201}
    assert set(payments_of(provider, made).values()) == {1}
    assert audit.find_drift() == []


def done(asked: list[Future[httpx.Response]]) -> list[httpx.Response]:
    return [one.result() for one in asked if one.done()]


def test_without_valkey_and_workers_a_repeated_request_makes_the_payment_once_the_provider_is_back(
    client, provider, made, valkey
):
    order = OrderFactory()
    provider.set_habits(errors={"dropped": 1})
    with valkey.doing(Refuse()):
        valkey.reset_all()
        assert {pay(client, order).status_code for _ in range(3)} == {202}

        provider.set_habits()
        wait_until(lambda: pay(client, order).status_code == 201, what="the payment is made")
        attempt = PaymentAttempt.objects.get()
        provider.pay(attempt.object_id)
        let_attempt_pass(attempt, seconds=attempts.CHECK_SECONDS)
        assert client.post(f"/api/v1/orders/{order.pk}/payment/check").json()["status"] == "paid"

    assert payments_of(provider, made) == {str(order.pk): 1}
    assert Payment.objects.get().status == "applied"
