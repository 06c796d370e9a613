"""Titles keep ids as they are, and histories say who did what, when, once."""

import re

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.urls import reverse

from checkout.tests.factories import OrderFactory
from flashsale.tests.support.admin import admin_url, decide
from flashsale.tests.support.browser import DESKTOP, PHONE, log_in_as, open_page
from payments.models import Payment
from payments.tests.factories import receive

PAYMENT_ID = "pi_abcDEF"
HEADING = re.compile(r"<h1.*?</h1>", re.DOTALL)


@pytest.fixture
def payment(db):
    receive(order_id=OrderFactory().pk, payment_id=PAYMENT_ID)
    return Payment.objects.get()


def pages_of(payment) -> list[str]:
    return [
        admin_url(Payment, "changelist"),
        admin_url(Payment, "change", payment.pk),
        admin_url(Payment, "history", payment.pk),
    ]


def test_a_payment_id_is_never_capitalised(admin_client, payment):
    told = decide(admin_client, payment, "mark_refunded", note="By cash").content.decode()
    pages = [admin_client.get(url).content.decode() for url in pages_of(payment)]

    for page in [told, *pages]:
        assert PAYMENT_ID in page
        assert "Pi_abc" not in page
    assert PAYMENT_ID in HEADING.search(pages[1])[0]


def test_a_name_is_kept_on_the_page_that_asks_before_a_deletion(admin_client, django_user_model):
    user = django_user_model.objects.create_user("pi_abcDEF")

    page = admin_client.get(reverse("admin:auth_user_delete", args=[user.pk])).content.decode()

    assert PAYMENT_ID in HEADING.search(page)[0]
    assert "Pi_abc" not in page


def test_a_page_is_titled_with_its_part_of_the_menu(admin_client, payment):
    heading = HEADING.search(admin_client.get(admin_url(Payment, "change", payment.pk)).content.decode())[0]

    words = [word.strip() for word in re.sub(r"<[^>]*>", "|", heading).split("|") if word.strip()]
    assert words[0] == "Money"
    assert words[2] == "Payments"


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_history_has_its_headings_once_and_says_what_was_done(live_server, transactional_db, admin_user, viewport):
    receive(order_id=OrderFactory().pk, payment_id=PAYMENT_ID)
    payment = Payment.objects.get()
    for message in ("Marked as refunded. Note: By cash", "Looked at it again"):
        LogEntry.objects.log_actions(admin_user.pk, [payment], CHANGE, change_message=message, single_object=True)

    with open_page(live_server.url, viewport=viewport) as page:
        log_in_as(page, admin_user)
        page.goto(admin_url(Payment, "history", payment.pk))
        lines = page.inner_text(".history")
        title = page.inner_text("h1")
        before = page.evaluate(
            "[...document.querySelectorAll('.history td')].map(cell => getComputedStyle(cell, '::before').content)"
        )
        transforms = page.evaluate(
            "[...document.querySelectorAll('h1, h1 *, .history *')].map(part => getComputedStyle(part).textTransform)"
        )
        fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    assert lines.count("Marked as refunded. Note: By cash") == 1
    assert PAYMENT_ID in title
    assert ("Payments" in title) is (viewport is DESKTOP)
    assert lines.count("What was done") == (1 if viewport is DESKTOP else 0)
    assert lines.count(admin_user.username) == 2
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", lines)
    assert set(before) == {"none"}
    assert set(transforms) == {"none"}
    assert fits
