"""COMMITs that wait for a standby which is gone: cancelled in time, and their outcome is unknown."""

import threading
import uuid
from functools import partial

import psycopg
import pytest
from django.db import connection, transaction

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Hold
from flashsale.core import events
from flashsale.core.connections import commit_waits
from flashsale.core.statements import Statement
from flashsale.core.submissions import once
from flashsale.core.transactions import OutcomeUnknown, defer_to_commit, retrying_transaction
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.replication import synchronise
from payments.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
TOTAL = "SELECT total FROM catalog_stock FOR UPDATE NOWAIT"


@pytest.fixture
def shop(pair, use):
    """The primary, on which this process works."""
    primary, _ = pair
    use(primary)
    yield primary
    connection.close()
    primary.sql("TRUNCATE catalog_product, payments_webhookevent CASCADE")


@pytest.fixture
def lose_standby(pair, shop, settings):
    """Returns a function that stops the standby, for which COMMITs wait for so many seconds; it comes back later."""
    primary, standby = pair

    def lose(seconds: float = 0.2) -> None:
        standby.stop()
        connection.close()
        settings.DATABASE_COMMIT_SECONDS = seconds
        commit_waits.watchdog.reset()

    yield lose
    bring_back(primary, standby)


def bring_back(primary, standby) -> None:
    """Start the standby, if it does not run; returns when it follows."""
    standby.start()
    synchronise(primary)


@pytest.fixture
def product(shop):
    """A product of which ten can be sold."""
    return ProductFactory()


def change_and_commit(happened: list) -> None:
    """Change a row in a transaction that Django commits."""
    with transaction.atomic():
        Stock.objects.update(total=20)
        transaction.on_commit(lambda: happened.append("it says that it was committed"))


@retrying_transaction
def change_with_last_message(happened: list) -> None:
    """Change a row in the message that commits."""
    transaction.on_commit(lambda: happened.append("it says that it was committed"))
    defer_to_commit(Statement("UPDATE catalog_stock SET total = 20"))


def change_alone(happened: list) -> None:
    """Change a row outside a transaction."""
    Stock.objects.update(total=20)
    happened.append("it goes on")


@pytest.mark.parametrize("change", [change_and_commit, change_with_last_message, change_alone])
def test_a_commit_that_no_standby_confirms_is_cancelled_and_unknown(product, shop, lose_standby, change):
    happened = []
    lose_standby()

    with pytest.raises(OutcomeUnknown, match="no standby"):
        change(happened)

    assert connection.connection is None
    assert happened == connection.run_on_commit == []
    # Committed on this server, and no lock is left.
    assert shop.sql(WAITING) is None
    assert shop.sql(TOTAL) == 20


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
def test_without_the_watchdog_it_waits_until_the_server_gives_up_and_that_is_unknown_too(
    product, shop, lose_standby, end
):
    lose_standby(seconds=3_600)
    raised = []

    def commit() -> None:
        try:
            change_and_commit([])
        except OutcomeUnknown as error:
            raised.append(error)
        finally:
            connection.close()

    committing = threading.Thread(target=commit)
    committing.start()
    wait_until(lambda: shop.sql(WAITING), what="the COMMIT waits")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        shop.sql(TOTAL)
    shop.sql(f"SELECT {end}({shop.sql(WAITING)})")
    committing.join(WAIT_SECONDS)

    assert len(raised) == 1
    assert shop.sql(TOTAL) == 20


def test_a_hold_that_no_standby_confirms_is_answered_as_unknown_and_its_repeat_with_the_hold(
    api, product, pair, shop, lose_standby
):
    place = partial(
        api.post,
        "/api/v1/holds",
        {"product_id": product.pk, "quantity": 2},
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )
    placed = events.EVENTS["hold_placed"].counter._value.get()
    lose_standby()

    problem_of(place(), 503, "outcome_unknown")
    # The row is there, but a failover would undo it.
    problem_of(place(), 503, "outcome_unknown")
    said = events.EVENTS["hold_placed"].counter._value.get()
    bring_back(*pair)
    again = place()

    assert said == placed
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert [str(hold.pk) for hold in Hold.objects.all()] == [again.json()["hold_id"]]
    assert Stock.objects.get().reserved == 2


def test_a_webhook_that_no_standby_confirms_is_sent_again(api, product, pair, shop, lose_standby):
    event = {"idempotency_key": "evt-1", "status": "success", "order_id": str(uuid.uuid4())}
    deliver = partial(api.post, "/api/v1/payments/webhook", event)
    lose_standby()

    problem_of(deliver(), 503, "outcome_unknown")
    problem_of(deliver(), 503, "outcome_unknown")
    bring_back(*pair)
    again = deliver()

    assert again.status_code in {200, 202}
    assert WebhookEvent.objects.count() == 1


def test_a_form_that_no_standby_confirms_is_not_said_to_be_done(product, pair, shop, lose_standby):
    """The same for the keys of the back office, which take the same way."""
    step = partial(once.Step, uuid.uuid4(), "change", describe=str)
    change = once.retrying_transaction_once(lambda: Stock.objects.update(total=20))

    def send() -> None:
        with once.performing(step()):
            change()

    lose_standby()

    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            send()
    bring_back(*pair)
    with pytest.raises(once.AlreadyDone, match="1"):
        send()
