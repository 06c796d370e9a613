"""The broker's connection ends while a worker has tasks that no process of it has accepted yet."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
import redis
from kombu import Connection, Consumer, Exchange, Queue
from kombu.transport.redis import Transport as KombuTransport

from checkout.models import Hold
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.broker import Transport
from flashsale.celery import app
from flashsale.tests.chaos.proxy import Proxy, Refuse
from flashsale.tests.chaos.shop import ProxiedShop, open_shop, valkey_socket
from flashsale.tests.support.processes import children_of, wait_until

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
LOST, CONNECTED = "Connection to broker lost", "mingle: all alone"


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker, tmp_path_factory):
    """A shop of one worker and nothing else."""
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), "worker") as opened:
        yield opened


def broker_of(proxy: Proxy) -> str:
    """Return the broker's address behind a proxy."""
    return f"redis://127.0.0.1:{proxy.port}/1"


def valkey() -> redis.Redis:
    """Return a client of the broker's database that no proxy disturbs."""
    return redis.Redis(unix_socket_path=str(valkey_socket()), db=1)


def queue_expiry(shop: ProxiedShop) -> Hold:
    """Queue the expiry of holds, and return one that is overdue."""
    overdue = HoldFactory()
    let_hold_pass(overdue)
    with app.connection_for_write(broker_of(shop.valkey)) as broker:
        app.send_task("checkout.tasks.expire_holds", connection=broker)
    return overdue


def is_expired(hold: Hold) -> bool:
    """Say whether a hold has expired."""
    return Hold.objects.filter(pk=hold.pk, status="expired").exists()


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Let the processes sleep within the context."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_worker_with_unaccepted_tasks_outlives_the_loss_of_its_broker(shop):
    worker = shop.main_process("worker").pid
    first = queue_expiry(shop)
    wait_until(lambda: is_expired(first), what="the worker works")

    with stopped(*children_of(worker)):
        queue_expiry(shop)
        wait_until(lambda: valkey().hlen("unacked"), what="the worker has a task that no process accepts")
        with shop.valkey.doing(Refuse()):
            with stopped(worker):
                # It notices first that the connection of its broadcasts has ended.
                valkey().client_kill_filter(_type="pubsub")
                shop.valkey.reset_all()
            wait_until(lambda: shop.ended() or shop.log().count(LOST), what="the worker has lost its broker")

    again = queue_expiry(shop)
    wait_until(lambda: shop.ended() or is_expired(again), what="the worker works again")
    # Asked to stop before that, it waits for its broker's answers until they time out.
    wait_until(lambda: shop.ended() or shop.log().count(CONNECTED) > 1, what="the worker is connected again")
    assert shop.ended() == []


@pytest.fixture
def proxy():
    """A proxy before the tests' Valkey."""
    with contextlib.closing(Proxy(valkey_socket())) as opened:
        yield opened
    valkey().flushdb()


@contextlib.contextmanager
def open_connection(proxy: Proxy, transport: type[KombuTransport]) -> Iterator[Connection]:
    """Open a connection as a worker's: one channel has an unacknowledged message, another one consumes broadcasts."""
    connection = Connection(broker_of(proxy), transport=transport)
    queue = connection.SimpleQueue("test_broker", no_ack=False)
    queue.put("a message")
    assert queue.get().payload == "a message"
    broadcasts = Queue("test_broker_broadcasts", Exchange("test_broker_broadcasts", type="fanout"), auto_delete=True)
    Consumer(connection.channel(), [broadcasts]).consume()
    with pytest.raises(queue.Empty):
        queue.get(timeout=0.1)
    yield connection


@pytest.mark.parametrize("kombus", [False, True])
def test_a_connection_with_an_unacknowledged_message_closes_when_it_is_broken(proxy, kombus):
    """kombu's own transport fails, which ends a worker. Once it does not, ours is not needed any more."""
    with open_connection(proxy, KombuTransport if kombus else Transport) as connection, proxy.doing(Refuse()):
        proxy.reset_all()
        # As a worker closes it.
        connection.collect()
        with pytest.raises(AttributeError) if kombus else contextlib.nullcontext():
            connection.close()
