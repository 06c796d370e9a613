"""Half an order is refunded and put back on sale in a browser, from the order's own page."""

from decimal import Decimal

import pytest
from django.core.cache import cache

from checkout import audit
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.browser import VIEWS, assert_fits, open_page
from payments.models import Payment
from payments.tests.factories import receive
from payments.tests.support.orders import units


@pytest.mark.django_db(transaction=True)
@VIEWS
def test_half_an_order_is_refunded_with_two_clicks(live_server, django_user_model, viewport, colors):
    cache.clear()
    django_user_model.objects.create_superuser("ann", password="secret-1")
    order = OrderFactory(quantity=2)
    receive(order_id=order.pk, payment_id="pay_1")

    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        page.goto(f"/admin/login/?next={admin_url(Order, 'change', order.pk)}")
        page.fill("input[name=username]", "ann")
        page.fill("input[name=password]", "secret-1")
        page.click("button[type=submit]")
        page.click("a:text-is('Refund')")
        begins_with = page.input_value("input[name=amount]")
        assert_fits(page)
        page.fill("input[name=amount]", "29.99")
        page.fill("input[name=restock_units]", "1")
        page.fill("textarea[name=note]", "Ticket 17")
        page.click("button:text-is('Refund')")
        page.wait_for_selector("text=refund of 29.99 USD requested, 1 unit put back on sale.")
        assert_fits(page)

    payment = Payment.objects.get()
    assert begins_with == "59.98"
    assert (payment.amount_due, units(order.product)) == (Decimal("29.99"), (0, 1))
    assert audit.find_drift() == []
