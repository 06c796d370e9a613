"""The sweep of the provider's list of events: what no webhook told is taken once, and only what is this shop's."""

from datetime import timedelta

import pytest
from django.db.models import F

from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.core import clock
from flashsale.core.transactions import Busy
from flashsale.tests.support.racing import Meeting, at_once, counts, times, without_row_locks
from payments import asking, inbox
from payments.asking import cursors
from payments.inbox import rules
from payments.models import Dispute, EventCursor, Payment, WebhookEvent
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import ListingFailed
from payments.tests.support.account import SHOP, Account, attempt_for
from payments.tests.support.stripe_events import charge, outcome, send

pytestmark = pytest.mark.usefixtures("stripe_in_production")


@pytest.fixture
def account(monkeypatch, settings, db) -> Account:
    """The account of this shop, from which it learns of payments only by asking."""
    settings.SHOP_ID = SHOP
    settings.STRIPE_REQUESTS_PER_SECOND = 1000
    account = Account()
    monkeypatch.setitem(PAYMENT_CLIENTS, "stripe", account)
    return account


def sweep(**options) -> asking.Sweep:
    return asking.sweep("stripe", **options)


def let_pass(minutes: float) -> None:
    """Move what the shop remembers of its sweeps into the past."""
    past = timedelta(minutes=minutes)
    EventCursor.objects.update(
        read_until=F("read_until") - past, leased_until=F("leased_until") - past, swept_at=F("swept_at") - past
    )


def statuses() -> list[str]:
    return list(WebhookEvent.objects.order_by("pk").values_list("status", flat=True))


def test_an_hour_without_webhooks_costs_no_payment(account, product):
    sweep()
    let_pass(65)
    orders = [OrderFactory(product=product) for _ in range(3)]
    for minutes, order in zip((55, 30, 1), orders, strict=True):
        account.succeed(order, age=minutes * 60)

    found = sweep()

    assert (found.listed, found.taken) == (3, 3)
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}
    assert list(WebhookEvent.objects.order_by("pk").values_list("order_id", flat=True)) == [one.pk for one in orders]
    assert set(WebhookEvent.objects.values_list("source", flat=True)) == {"listed"}


def test_a_payment_that_came_late_pays_its_expired_order(account, order):
    sweep()
    account.succeed(order, age=60)
    let_order_pass(order)

    sweep()

    assert Order.objects.get().status == "paid"


def test_the_first_cursor_is_now(account, order):
    account.succeed(order, age=3600)

    assert sweep().listed == 0
    assert account.listed_since == [EventCursor.objects.get().read_until - timedelta(minutes=10)]


def test_a_list_that_breaks_off_is_read_again_from_where_it_began(account, product):
    sweep()
    let_pass(30)
    for minutes in (20, 15):
        account.succeed(OrderFactory(product=product), age=minutes * 60)
    account.breaks_after = 1

    with pytest.raises(ListingFailed):
        sweep()

    assert not WebhookEvent.objects.exists()
    account.breaks_after = None
    # The process was started again meanwhile: all that is known is in the database.
    assert sweep().taken == 2
    assert account.listed_since[-1] == account.listed_since[-2]


def test_after_a_crash_in_the_middle_the_rest_is_taken_by_the_next_sweep(account, monkeypatch, product):
    sweep()
    let_pass(30)
    orders = [OrderFactory(product=product) for _ in range(2)]
    for order in orders:
        account.succeed(order, age=1200)
    with monkeypatch.context() as patch:
        taken = []
        patch.setattr(inbox, "take", lambda *args, **kw: taken.append(args) or _die())
        with pytest.raises(KeyboardInterrupt):
            sweep()

    assert sweep().taken == 2
    assert statuses() == ["applied", "applied"]


def test_events_that_are_known_are_skipped_before_they_are_taken(account, api, monkeypatch, order):
    told = account.succeed(order)
    assert outcome(send(api, told)) == "applied"

    monkeypatch.setattr(inbox, "take", None)

    assert sweep().taken == 0
    assert WebhookEvent.objects.get().source == "webhook"


def test_a_webhook_after_the_sweep_is_the_same_event_in_another_version(account, api, order):
    told = account.succeed(order)
    sweep()

    older = told["data"]["object"] | {"metadata": {"hold_id": str(order.hold_id)}}

    assert outcome(send(api, told | {"data": {"object": older}, "api_version": "2020-08-27"})) == "applied"
    assert statuses() == ["applied"]


@pytest.mark.parametrize("ahead", [-60, 60])
def test_a_provider_whose_clock_is_off_by_a_minute_loses_nothing(account, product, ahead):
    account.ahead = ahead
    sweep()
    for _ in range(3):
        let_pass(5)
        for one in account.events:
            one["created"] -= 300
        # It happens at the moment of the sweep, and is listed only after it.
        late = account.succeed(OrderFactory(product=product))
        account.events.remove(late)
        account.succeed(OrderFactory(product=product))
        sweep()
        account.events.insert(0, late)

    sweep()

    assert statuses() == ["applied"] * 6


def test_an_event_that_claims_to_be_of_the_future_does_not_carry_the_cursor_along(account, product):
    account.ahead = 10 * 365 * 86_400
    account.succeed(OrderFactory(product=product))
    sweep()
    account.ahead = 0
    let_pass(5)
    account.succeed(OrderFactory(product=product))

    sweep()

    assert statuses() == ["applied", "applied"]


def test_poison_in_the_list_is_shown_to_staff_once_and_stops_nothing(account, product):
    sweep()
    before = EventCursor.objects.get().read_until
    account.succeed(OrderFactory(product=product))
    account.events += [b'{"id": 7, "type": "payment_intent.succeeded"}', b"[]", b"\xff"]
    account.succeed(OrderFactory(product=product))

    first, second = sweep(), sweep()

    assert (first.listed, first.taken, first.unreadable) == (5, 2, 3)
    assert (second.taken, second.unreadable) == (0, 0)
    assert sorted(statuses()) == ["applied", "applied", "needs_review", "needs_review", "needs_review"]
    assert EventCursor.objects.get().read_until >= before
    poison = WebhookEvent.objects.filter(status="needs_review")
    assert set(poison.values_list("reason", flat=True)) == {"unreadable"}
    assert inbox.dismiss(poison[0].pk, staff=None, note="").status == "ignored"


def test_an_event_whose_processing_raises_is_tried_again_and_stops_nothing(account, monkeypatch, product):
    first, second = (OrderFactory(product=product) for _ in range(2))
    account.succeed(first, age=60)
    account.succeed(second)
    poisoned = str(first.pk)

    def judging(judge):
        def judged(events, *args, **kwargs):
            if any(str(event.order_ref) == poisoned for event in events):
                raise RuntimeError("poison")
            return judge(events, *args, **kwargs)

        return judged

    with monkeypatch.context() as patch:
        patch.setattr(rules, "pay_plain", judging(rules.pay_plain))
        assert sweep().taken == 2

    assert statuses() == ["failed", "applied"]
    WebhookEvent.objects.filter(status="failed").update(next_attempt_at=clock.now())
    inbox.process_due()
    assert statuses() == ["applied", "applied"]


def test_an_event_that_cannot_be_stored_is_left_to_staff(account, monkeypatch, product):
    account.succeed(OrderFactory(product=product))
    with monkeypatch.context() as patch:
        patch.setattr(inbox, "take", lambda *args, **kw: int("no number"))
        assert sweep().unreadable == 1

    assert statuses() == ["needs_review"]


def test_another_shops_objects_in_the_account_are_left_alone(account, product):
    """A restored copy of the database is another shop, too: it knows the same orders and payments."""
    ours, theirs = (OrderFactory(product=product) for _ in range(2))
    attempt_for(theirs, "pi_theirs", shop="shop-2")
    account.succeed(theirs, shop="shop-2", payment_id="pi_theirs")
    account.succeed(ours, shop="", payment_id="pi_by_hand")
    account.happen("charge.refunded", charge(5998, payment_intent="pi_theirs"))
    account.happen("customer.created", {"id": "cus_1", "metadata": {"shop_id": SHOP}})

    found = sweep()

    assert (found.listed, found.taken) == (4, 0)
    assert not WebhookEvent.objects.exists()
    assert set(Order.objects.values_list("status", flat=True)) == {"pending_payment"}


def test_what_carries_no_shop_is_ours_by_its_payment(account, order, product):
    attempt_for(order, "pi_1")
    account.succeed(order, payment_id="pi_1", age=60)
    # Its attempt does not know the payment's id yet: the event beside it tells that it is ours.
    account.succeed(OrderFactory(product=product), payment_id="pi_2", age=60)
    for number in (1, 2):
        dispute = {"id": f"du_{number}", "amount": 5998, "currency": "usd", "status": "needs_response"}
        account.happen("charge.dispute.created", dispute | {"payment_intent": f"pi_{number}", "metadata": {}})

    assert sweep().taken == 4
    assert Dispute.objects.count() == 2


def test_a_copy_of_the_shop_begins_with_a_cursor_of_its_own(account, order, settings):
    sweep()
    let_pass(60)
    account.succeed(order, age=1800)
    settings.SHOP_ID = "copy"

    assert sweep().taken == 0
    assert EventCursor.objects.count() == 2


def test_a_cursor_older_than_the_list_is_told(account, caplog, order):
    sweep()
    let_pass(31 * 24 * 60)
    account.succeed(order)

    found = sweep()

    assert found.lost_since is not None
    assert "event_cursor_outdated" in caplog.text
    assert Payment.objects.count() == 1
    assert sweep().lost_since is None


def test_from_an_earlier_time_more_is_read_and_the_cursor_does_not_move_back(account, order):
    sweep()
    read_until = EventCursor.objects.get().read_until
    account.succeed(order, age=7200)

    assert sweep().taken == 0
    assert sweep(since=clock.now() - timedelta(hours=3)).taken == 1
    assert EventCursor.objects.get().read_until >= read_until


def test_a_busy_database_ends_the_sweep_which_is_done_again(account, monkeypatch, order):
    account.succeed(order)
    with monkeypatch.context() as patch:
        patch.setattr(inbox, "take", _busy)
        with pytest.raises(Busy):
            sweep()

    assert not WebhookEvent.objects.exists()
    assert sweep().taken == 1


def _two_sweeps_at_once(monkeypatch, account) -> dict[str, int]:
    account.succeed(OrderFactory())
    cursors.compared_until("stripe")
    monkeypatch.setattr(cursors, "_locked", Meeting(2).after(cursors._locked))
    return counts(at_once(*times(2, sweep)))


@pytest.mark.django_db(transaction=True)
def test_of_two_sweeps_at_once_one_reads_the_list(monkeypatch, account):
    assert _two_sweeps_at_once(monkeypatch, account) == {"Sweep": 1, "SweepUnderWay": 1}
    assert len(account.listed_since) == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_on_the_cursor_both_read_it(monkeypatch, account):
    without_row_locks(monkeypatch, EventCursor)

    _two_sweeps_at_once(monkeypatch, account)

    assert len(account.listed_since) == 2


def test_a_sweep_that_died_is_followed_by_another_when_its_lease_is_over(account):
    cursors.acquire("stripe")
    with pytest.raises(asking.SweepUnderWay):
        sweep()

    let_pass(6)

    assert sweep().listed == 0


def _die():
    raise KeyboardInterrupt


def _busy(*args, **kwargs):
    raise Busy("The database is busy.")
