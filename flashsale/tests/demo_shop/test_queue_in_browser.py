"""The demo shop's waiting page in a browser: one ticket through tabs, reloads and refusals, up to the receipt."""

import json
import re
from uuid import UUID

import pytest
from django.utils import timezone

from catalog.models import Product, Stock
from checkout import holds
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory
from checkout.tests.support.queues import HOUR, queued_product, serve_up_to, served_for, start_sale
from checkout.waiting_room import queues, tickets
from checkout.waiting_room.counts import counter
from checkout.waiting_room.models import Queue
from checkout.waiting_room.queues import copies
from flashsale.tests.support.browser import assert_fits, open_page
from flashsale.tests.support.shop_page import (
    NARROW,
    REFUSALS,
    VIOLATIONS,
    WRONG_CLOCK,
    card,
    press_until,
    seconds,
    step,
)
from payments.tests.factories import receive

# The page asks at once, not at its next poll.
ASK_AND_LOOK = """
([step, words]) => {
  dispatchEvent(new Event("online"));
  return document.querySelector(`#queue[data-step=${step}]:not([hidden])`)?.innerText.includes(words);
}
"""
QUEUE_PAGE = re.compile(r"/api/v1/products/\d+/queue$")


def at(page, name, words=""):
    """Wait until the screen of the queue shows a step, with these words."""
    page.wait_for_function(ASK_AND_LOOK, arg=[name, words], polling=200)


def ticket_in(page, product):
    """Return the ticket that the browser keeps; None without one."""
    ticket = json.loads(page.evaluate(f"localStorage.getItem('flashsale.ticket.{product.pk}')"))
    return ticket and ticket["key"]


def open_queue(product):
    Product.objects.filter(pk=product.pk).update(queue_opens_at=timezone.now() - HOUR)
    copies.reset()


def serve_in(product, *, minutes: float, place: float):
    """Let the queue have come halfway to a place, and reach it in so many minutes."""
    now = timezone.now()
    own = Queue.objects.filter(pk=product.pk)
    own.update(moved_at=now, turns_at=now + HOUR, serving=place / 2, rate=place / 2 / (60 * minutes))
    copies.reset()


def test_one_ticket_leads_through_tabs_and_reloads_to_a_receipt_by_a_wrong_clock(live_server, transactional_db):
    product = queued_product(name="Widget", starts_in=HOUR, opened_before=HOUR / 2)
    with open_page(live_server.url, tolerated=REFUSALS) as page:
        page.context.add_init_script(WRONG_CLOCK + VIOLATIONS)
        page.goto("/")
        opens_in = seconds(card(page, "Widget").locator("[role=timer]").inner_text())
        opening = (product.queue_opens_at - timezone.now()).total_seconds()
        card(page, "Widget").get_by_role("button", name="See the queue").click()
        at(page, "not_open")
        open_queue(product)
        other = page.context.new_page()
        other.goto(f"/#queue-{product.pk}")
        for tab in (page, other):
            at(tab, "open")
        for tab in (page, other):
            tab.evaluate("document.querySelector('[data-queue=join]').click()")
        for tab in (page, other):
            at(tab, "joined")
        page.reload()
        at(page, "joined")
        starts_in = seconds(page.inner_text("#queue [role=timer]"))
        start = (product.sale_starts_at - timezone.now()).total_seconds()
        joined = ticket_in(page, product)
        start_sale(product)
        serve_up_to(product, 0.0)
        at(page, "waiting")
        unknown = page.inner_text("[data-fill=wait]")
        drawn = tickets.verified(ticket_in(page, product), product_id=product.pk)
        serve_in(product, minutes=5, place=queues.read(product.pk).place_of(drawn))
        at(page, "waiting", "about 5 minutes")
        progress = page.evaluate("document.querySelector('.progress').value")
        page.goto("/#")
        card(page, "Widget").get_by_role("button", name="Your place in the queue").click()
        at(page, "waiting")
        serve_up_to(product, 1.0)
        at(page, "turn")
        at(other, "turn")
        title, check = page.title(), page.text_content("[data-fill=checked]")
        page.click("#queue [type=submit]")
        step(page, "held")
        page.click("[data-do=order]")
        step(page, "pending_payment")
        order = Order.objects.get()
        receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
        step(page, "paid")
        left_over = ticket_in(page, product)
        violations = [*page.evaluate("violations"), *other.evaluate("violations")]

    assert abs(opens_in - opening) <= 2
    assert abs(starts_in - start) <= 2
    counter.store()
    assert Queue.objects.get(pk=product.pk).tickets == 1
    assert tickets.signed(drawn) == joined
    assert unknown == "we cannot say yet"
    assert progress == pytest.approx(0.5, abs=0.1)
    assert title.startswith("It is your turn")
    assert check == "Right: this browser has worked both out."
    assert Hold.objects.get().ticket_id == UUID(drawn.id)
    assert left_over is None
    assert violations == []


def test_by_keyboard_on_a_phone_no_refusal_costs_the_ticket_and_a_new_one_is_at_the_end(live_server, transactional_db):
    product = queued_product(name="Widget", stock=10)
    units = Stock.objects.filter(product=product)
    throttled = {"status": 429, "json": {"code": "throttled"}, "headers": {"Retry-After": "1"}}

    def throttle(route):
        route.fulfill(**throttled) if route.request.method == "GET" else route.continue_()

    with open_page(live_server.url, viewport=NARROW, colors="dark", tolerated=REFUSALS) as page:
        page.goto("/")
        card(page, "Widget").wait_for()
        press_until(page, "[data-fill=queue]")
        page.keyboard.press("Enter")
        at(page, "joined")
        heading = page.evaluate("document.activeElement.textContent")
        assert_fits(page)
        ticket = ticket_in(page, product)
        start_sale(product)
        serve_up_to(product, 1.0)
        at(page, "turn")
        spoken = page.text_content("#spoken")
        assert_fits(page)

        page.route(QUEUE_PAGE, throttle)
        page.wait_for_selector("#notice:has-text('Too many requests')")
        serve_up_to(product, 0.0)
        press_until(page, "#queue [type=submit]")
        page.keyboard.press("Enter")
        page.wait_for_selector("#queue[data-step=waiting] [role=alert]:has-text('not your turn yet')")
        page.unroute(QUEUE_PAGE)
        at(page, "waiting")
        page.wait_for_selector("#notice", state="hidden")

        Product.objects.filter(pk=product.pk).update(paused_at=timezone.now())
        at(page, "paused")
        Product.objects.filter(pk=product.pk).update(paused_at=None)
        units.update(reserved=10)
        at(page, "sold_out", "may still come back")
        units.update(reserved=0, sold=10)
        at(page, "sold_out", "All are sold")
        units.update(sold=0)
        serve_up_to(product, 1.0)
        at(page, "turn")

        elsewhere = HoldFactory(product=product, ticket_id=tickets.verified(ticket, product_id=product.pk).id)
        page.click("#queue [type=submit]")
        at(page, "ticket_used")
        holds.release(elsewhere.pk)
        page.reload()
        page.click("[data-queue=retry]")
        at(page, "turn")
        kept = ticket_in(page, product)

        served_for(product, seconds=1_000)
        page.click("#queue [type=submit]")
        at(page, "admission_expired")
        assert_fits(page)
        press_until(page, "[data-queue=join]")
        page.keyboard.press("Enter")
        at(page, "waiting")
        before = page.inner_text("[data-fill=before]")
        again = ticket_in(page, product)

    assert heading == "You are in"
    assert spoken == "It is your turn"
    assert kept == ticket
    assert again not in (None, ticket)
    assert before == "all who were drawn, and those who came before you"
    assert not Hold.objects.exclude(status=Hold.Status.RELEASED).exists()
