"""Two members of staff take the same action at once: one succeeds, the other gets a refusal that says so."""

from collections.abc import Callable

import pytest
from django.urls import reverse

from catalog import inventory, products
from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.refusals import Refusal
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.racing import Meeting, at_once, replace, times, without_row_locks
from payments import inbox
from payments.models import WebhookEvent
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db(transaction=True)


def pause() -> Callable[[], object]:
    product = ProductFactory()
    return lambda: products.pause(product.pk)


def resume() -> Callable[[], object]:
    product = ProductFactory()
    products.pause(product.pk)
    return lambda: products.resume(product.pk)


def publish() -> Callable[[], object]:
    product = ProductFactory()
    products.withdraw(product.pk)
    return lambda: products.publish(product.pk)


def withdraw() -> Callable[[], object]:
    product = ProductFactory()
    return lambda: products.withdraw(product.pk)


def edit() -> Callable[[], object]:
    product = ProductFactory()
    version = products.version_of(product)
    return lambda: products.edit(product.pk, expected=[version], changes={"name": "Better widget"})


def release() -> Callable[[], object]:
    hold = HoldFactory(quantity=2)
    return lambda: holds.revoke(hold.pk)


def cancel() -> Callable[[], object]:
    order = OrderFactory(quantity=2)
    return lambda: orders.revoke(order.pk)


def retry() -> Callable[[], object]:
    event = receive(payment_id="pay_1").event
    WebhookEvent.objects.update(status="dead")
    return lambda: inbox.retry(event.pk)


def take_the_last_units_out() -> Callable[[], object]:
    product = ProductFactory(stock=10)
    return lambda: inventory.adjust(product_id=product.pk, delta=-10, reason="Counted again")


def add_to_the_total_that_was_read() -> Callable[[], object]:
    product = ProductFactory(stock=10)
    return lambda: inventory.adjust(product_id=product.pk, delta=5, reason="Delivery", expected_total=10)


ACTIONS = [
    pause, resume, publish, withdraw, edit, release, cancel, retry, take_the_last_units_out,
    add_to_the_total_that_was_read,
]  # fmt: skip


@pytest.mark.parametrize("prepare", ACTIONS, ids=lambda prepare: prepare.__name__)
def test_one_succeeds_and_the_other_is_refused(prepare):
    decide = prepare()

    results = at_once(*times(2, decide))

    refused = [result for result in results if isinstance(result, Refusal)]
    assert len(refused) == 1
    assert not any(isinstance(result, Exception) for result in results if result not in refused)
    assert str(refused[0])
    assert audit.find_drift() == []


@pytest.mark.parametrize("prepare", [pause, resume, publish, withdraw, edit], ids=lambda prepare: prepare.__name__)
def test_control_without_the_lock_both_succeed(prepare, monkeypatch):
    decide = prepare()
    without_row_locks(monkeypatch, Product)
    monkeypatch.setattr(products, "_lock", Meeting(2).after(products._lock))

    results = at_once(*times(2, decide))

    assert not any(isinstance(result, Exception) for result in results)


def test_control_without_the_lock_both_add_to_the_total_that_they_read(monkeypatch):
    decide = add_to_the_total_that_was_read()
    without_row_locks(monkeypatch, Product, Stock)
    replace(monkeypatch, inventory.lock, Meeting(2).after(inventory.lock))

    results = at_once(*times(2, decide))

    assert not any(isinstance(result, Exception) for result in results)
    assert Stock.objects.get().total == 20


def test_control_without_the_lock_an_event_is_retried_twice(monkeypatch):
    decide = retry()
    without_row_locks(monkeypatch, WebhookEvent)
    monkeypatch.setattr(WebhookEvent, "save", Meeting(2).before(WebhookEvent.save))

    results = at_once(*times(2, decide))

    assert not any(isinstance(result, Exception) for result in results)


@pytest.mark.parametrize(
    ("prepare", "module"),
    [(release, holds), (cancel, orders), (take_the_last_units_out, inventory)],
    ids=["release", "cancel", "take_the_last_units_out"],
)
def test_control_without_the_lock_the_second_gets_an_error_instead_of_the_refusal(prepare, module, monkeypatch):
    decide = prepare()
    without_row_locks(monkeypatch, Hold, Order, Product, Stock)
    replace(monkeypatch, module.lock, Meeting(2).after(module.lock))

    results = at_once(*times(2, decide))

    failed = [result for result in results if isinstance(result, Exception)]
    assert len(failed) == 1
    assert not isinstance(failed[0], Refusal)


def test_an_edit_made_from_an_older_page_does_not_undo_a_pause(admin_client, monkeypatch):
    product = ProductFactory(name="Widget")
    fields = {"name": "Better widget", "price": "29.99", "currency": "USD", "max_per_hold": 10}
    save = Product.save

    def paused_meanwhile(self, *args, **kwargs):
        Product.objects.filter(pk=product.pk, paused_at=None).update(paused_at=product.created_at)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Product, "save", paused_meanwhile)
    answer = admin_client.post(admin_url(Product, "change", product.pk), fields)

    edited = Product.objects.get()
    assert answer.status_code == 302
    assert answer.headers["Location"] == reverse("admin:catalog_product_changelist")
    assert (edited.name, edited.paused_at) == ("Better widget", product.created_at)
    assert Stock.objects.get().total == 10
