"""Every change of a product, on every path, leaves an event; one that is rolled back leaves none."""

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import transaction

from catalog import inventory, product_events, products
from catalog.models import Product
from catalog.tests.factories import ProductFactory
from catalog.tests.support.imports import import_of
from flashsale.core.submissions import once
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox import recording
from flashsale.tests.support import outbox
from flashsale.tests.support.admin import admin_url, decide
from flashsale.tests.support.forms import filled_in
from flashsale.tests.support.outbox import types_of
from flashsale.tests.support.racing import Meeting, at_once, without_row_locks

pytestmark = pytest.mark.django_db(transaction=True)

LARGEST_EVENT_BYTES = 20_000
ADDED = {"name": "Widget", "price": Decimal("29.99"), "currency": "USD", "stock": 7}


def named(envelopes):
    return [(envelope["type"], envelope["data"]["id"]) for envelope in envelopes]


def test_each_change_is_an_event_with_the_product_as_its_get_answers_it(new_events, api):
    product = products.add(**ADDED, description="A very good widget.")
    products.edit(product.pk, expected=None, changes={"price": Decimal(30), "name": "Gadget"})
    products.edit(product.pk, expected=None, changes={"price": Decimal(30)})
    products.pause(product.pk)
    products.resume(product.pk)
    products.withdraw(product.pk)
    products.publish(product.pk)
    inventory.adjust(product_id=product.pk, delta=-3, reason="Broken")

    made = new_events()

    assert named(made) == [
        (f"product.{kind}", product.pk)
        for kind in ("published", "changed", "paused", "resumed", "withdrawn", "published")
    ] + [("stock.adjusted", product.pk)]
    added, changed, paused, resumed, _, _, adjusted = (envelope["data"] for envelope in made)
    assert (added["name"], added["price"], added["total_stock"]) == ("Widget", "29.99", 7)
    assert (changed["name"], changed["price"], changed["changed"]) == ("Gadget", "30.00", ["name", "price"])
    assert (paused["sale_status"], resumed["sale_status"]) == ("paused", "live")
    of_adjustment = {"delta": -3, "reason": "Broken", "total_before": 7, "total_after": 4}
    answer = api.get(f"/api/v1/products/{product.pk}").json()
    assert answer.pop("description") == "A very good widget."
    assert (answer | of_adjustment).items() <= adjusted.items()
    assert (adjusted["is_published"], adjusted["reserved"], adjusted["sold"]) == (True, 0, 0)
    assert (adjusted["total_stock"], adjusted["available_stock"]) == (4, 4)


def test_a_product_that_is_added_unpublished_is_an_event_once_it_is_published(new_events):
    product = products.add_unpublished(**ADDED)
    assert new_events() == []

    products.publish(product.pk)

    assert named(new_events()) == [("product.published", product.pk)]


def test_staff_add_edit_and_act_in_the_admin(admin_client, new_events):
    page = admin_client.get(admin_url(Product, "add"))
    fields = {"name": "Widget", "price": "5", "currency": "USD", "opening_stock": "7"}
    admin_client.post(admin_url(Product, "add"), filled_in(page, holding="opening_stock", **fields))
    product = Product.objects.get()
    change = admin_url(Product, "change", product.pk)
    edited = filled_in(admin_client.get(change), holding="name", name="Gadget")
    assert admin_client.post(change, edited).status_code == 302
    for action in ("publish", "pause", "resume", "withdraw"):
        decide(admin_client, product, action, note="")
    decide(admin_client, product, "adjust_stock", delta=5, note="Delivery")

    made = new_events()

    assert types_of(made) == [
        "product.changed", "product.published", "product.paused", "product.resumed", "product.withdrawn",
        "stock.adjusted",
    ]  # fmt: skip
    assert {envelope["data"]["id"] for envelope in made} == {product.pk}
    assert (made[0]["data"]["name"], made[0]["data"]["changed"]) == ("Gadget", ["name"])
    assert made[-1]["data"]["total_after"] == 12


def test_files_and_commands_add_published_products(admin_client, new_events, monkeypatch):
    monkeypatch.setattr(product_events, "BATCH_ROWS", 2)
    shown = import_of(admin_client)
    admin_client.post(shown.request["PATH_INFO"], filled_in(shown, holding=once.FIELD))
    products.add_all([ADDED] * 5)
    call_command("add_product", "--name", "Gadget", "--price", "1", "--currency", "USD", "--stock", "3")

    ids = list(Product.objects.order_by("pk").values_list("pk", flat=True))
    assert len(ids) == 7
    assert named(new_events()) == [("product.published", pk) for pk in ids]


def test_what_is_rolled_back_or_refused_leaves_no_event(product, new_events):
    class Undone(Exception):
        pass

    @retrying_transaction
    def edit_and_fail():
        products.save_edited(products.lock_for_edit(product.pk), columns=["name"])
        raise Undone

    with pytest.raises(Undone):
        edit_and_fail()
    with pytest.raises(products.NothingToDo):
        products.resume(product.pk)
    with pytest.raises(inventory.StockBelowCommitments):
        inventory.adjust(product_id=product.pk, delta=-11, reason="Lost")

    assert new_events() == []


def test_the_death_of_a_process_after_its_commit_loses_no_event(product, new_events):
    class Death(BaseException):
        pass

    def die():
        raise Death

    @retrying_transaction
    def edit():
        transaction.on_commit(die)
        products.save_edited(products.lock_for_edit(product.pk), columns=["name"])

    with pytest.raises(Death):
        edit()

    assert types_of(new_events()) == ["product.changed"]


def test_an_event_tells_of_the_product_as_of_its_commit(product, new_events):
    products.pause(product.pk)
    products.edit(product.pk, expected=None, changes={"name": "Gadget"})

    paused, changed = new_events()

    assert (paused["data"]["name"], changed["data"]["name"]) == (product.name, "Gadget")


def test_the_largest_event_is_small(new_events):
    longest = "\N{GRINNING FACE}"
    product = ProductFactory(name=longest * 200, description=longest * 100_000)
    inventory.adjust(product_id=product.pk, delta=1, reason=longest * 500)

    assert len(new_events()) == 2
    assert max(len(body.encode()) for body in outbox.bodies()) < LARGEST_EVENT_BYTES


def last_event_of_a_race(monkeypatch, product, new_events):
    """Edit a product and adjust its stock at once: both events are stored before either is committed, if they can be.

    Returns the name and the total that the last event tells of.
    """
    meeting = Meeting(2)
    monkeypatch.setattr(recording, "record", meeting.after(recording.record_now))
    at_once(
        lambda: products.edit(product.pk, expected=None, changes={"name": "Gadget"}),
        lambda: inventory.adjust(product_id=product.pk, delta=5, reason="Delivery"),
    )
    last = new_events()[-1]["data"]
    return last["name"], last["total_stock"]


def test_the_last_event_of_racing_changes_tells_of_both(monkeypatch, product, new_events):
    assert last_event_of_a_race(monkeypatch, product, new_events) == ("Gadget", 15)


def test_without_the_lock_the_last_event_of_racing_changes_tells_of_one(monkeypatch, product, new_events):
    without_row_locks(monkeypatch, Product)

    assert last_event_of_a_race(monkeypatch, product, new_events) in [("Gadget", 10), (product.name, 15)]
