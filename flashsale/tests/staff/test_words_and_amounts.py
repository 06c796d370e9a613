"""No page of the admin shows a machine's word, or an amount without its currency's decimals."""

import csv
import html
import io
import re
from decimal import Decimal

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from catalog.tests.factories import ProductFactory
from checkout import holds, orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, let_order_pass
from flashsale.core import money
from flashsale.core.staff.page_actions import PageActionsMixin
from flashsale.outbox import numbering
from flashsale.outbox.models import Event
from flashsale.outbox.tests.factories import DeliveryFactory
from flashsale.tests.support.admin import MODELS, admin_url, decide
from payments import refunds
from payments.models import Dispute, Payment, Refund, WebhookEvent
from payments.tests.factories import receive
from payments.tests.support.account import attempt_for

pytestmark = pytest.mark.django_db

PRICES = {"USD": "29.99", "JPY": "12000", "KWD": "1.250"}
DINARS = {"1.250", "2.500", "0.000"}
# Icons are words that a font draws.
ICON = re.compile(r"<(span|i)\b[^>]*\bmaterial-symbols[^>]*>.*?</\1>", re.DOTALL)
VALUE = re.compile(r'<input[^>]*\bvalue="(\d+\.\d+)"')
# A word such as `refund_due`; ids and what people typed may have underscores.
MACHINE_WORD = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
IDS = re.compile(r"\b(?:pay|pi|evt|dp|re)_\w+|\b(?:product|payment)\.[a-z_]+")
# An amount with its currency, and one that is not followed by a currency but has decimals.
AMOUNT = re.compile(r"(?<![\w.:-])(\d+(?:\.\d+)?) ?(USD|JPY|KWD)\b")
BARE = re.compile(r"(?<![\w.:-])\d+\.\d{2,3}(?! ?(?:USD|JPY|KWD)\b)(?![\w.:-])")


@pytest.fixture
def shop(admin_client, admin_user):
    """For each currency: orders and payments in each of their states, events to review, a refund and a dispute."""
    for currency, price in PRICES.items():
        product = ProductFactory(name=f"Widget {currency}", price=Decimal(price), currency=currency, stock=100)
        fill(product, currency, admin_client, admin_user)
    numbering.number_all(batches=1)
    DeliveryFactory(event=Event.objects.latest("pk"))


def fill(product, currency: str, client, staff) -> None:
    def order() -> Order:
        hold = HoldFactory(product=product, quantity=2, customer_id="customer-77")
        return orders.place(hold_id=hold.pk)

    holds.revoke(HoldFactory(product=product).pk)
    HoldFactory(product=product)
    total = str(order().total_amount)
    paid, late, wrong, expired = order(), order(), order(), order()
    orders.cancel(late.pk)
    let_order_pass(expired)
    for one in (paid, late):
        receive(order_id=one.pk, payment_id=f"pay_{currency}{one.pk.hex}", amount=total, currency=currency)
    receive(order_id=wrong.pk, payment_id=f"pay_{currency}wrong", amount=price_of(wrong), currency=currency)
    receive(order_id=wrong.pk, hold_id=paid.hold_id, key=f"evt_{currency}two")
    receive(order_id=paid.pk, payment_id=f"pay_{currency}no", status="failed", amount=total, currency=currency)
    dead = receive(payment_id=f"pay_{currency}dead", amount=total, currency=currency).event
    WebhookEvent.objects.filter(pk=dead.pk).update(status="dead", reason="gave_up")
    payment = Payment.objects.get(order=paid)
    refunds.request(paid.pk, amount=paid.unit_price, restock_units=1, staff=staff, note="Ticket 17")
    attempt_for(paid, f"pi_{currency}{paid.pk.hex}")
    at = payment.created_at
    Refund.objects.create(payment=payment, attempt=1, amount=paid.unit_price, status="refused", refund_id="re_1",
                          created_at=at, answered_at=at)  # fmt: skip
    Dispute.objects.create(payment=payment, dispute_id="dp_1", amount=payment.amount, currency=currency,
                           reason="product_not_received", status="open", created_at=at, as_of=at)  # fmt: skip
    decide(client, Payment.objects.get(order=late), "mark_refunded", note="Ticket 18")


def price_of(order: Order) -> str:
    return money.render(order.unit_price, order.currency)


def pages_of(model) -> list[str]:
    """Return the paths of the list, of adding, and of each row's page, history and actions."""
    registered = site._registry[model]
    paths = [admin_url(model, "changelist"), admin_url(model, "add")]
    for row in model.objects.all():
        paths += [admin_url(model, "change", row.pk), admin_url(model, "history", row.pk)]
        if isinstance(registered, PageActionsMixin):
            paths += [admin_url(model, "act", row.pk, action) for action in registered.page_actions]
    return paths


def visible(content: str) -> str:
    """Return the text that people see, without what a provider sent."""
    main = re.sub(r"<(script|style|pre|nav|template)\b.*?</\1>", " ", ICON.sub(" ", content), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


def faults(text: str) -> list[str]:
    """Return the machine's words and the wrongly written amounts of a text."""
    wrong = [word for word in MACHINE_WORD.findall(IDS.sub("", text))]
    for amount, currency in AMOUNT.findall(text):
        if amount != money.render(Decimal(amount), currency):
            wrong.append(f"{amount} {currency}")
    return wrong + BARE.findall(text)


def wrong_values(content: str) -> list[str]:
    """Return the amounts that a form begins with in no currency's decimals; those in dinars are 1.250 and 2.500."""
    return [value for value in VALUE.findall(content) if len(value.partition(".")[2]) == 3 and value not in DINARS]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_pages_show_words_for_people_and_amounts_with_their_currency(admin_client, shop, model):
    found = {}
    for path in pages_of(model):
        page = admin_client.get(path)
        content = page.content.decode() if page.status_code == 200 else ""
        if wrong := faults(visible(content)) + wrong_values(content):
            found[path] = wrong

    assert found == {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_files_have_amounts_in_their_currencys_decimals(admin_client, shop, model):
    if not hasattr(site._registry[model], "export"):
        pytest.skip("no export")
    answer = admin_client.get(admin_url(model, "export"))
    lines = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
    amounts = {"Amount", "Price", "Unit price", "Given back", "Due for refund"}
    if model is Order:
        amounts.add("Total")
    for line in lines:
        assert [word for value in line.values() for word in MACHINE_WORD.findall(IDS.sub("", value))] == []
        for name in amounts & line.keys():
            assert line[name] in ("", money.render(Decimal(line[name] or 0), line["Currency"])), (name, line[name])


def test_the_first_page_and_the_log_have_words_for_people(admin_client, shop):
    pages = [reverse("admin:index"), reverse("admin:live")]
    texts = [visible(admin_client.get(path).content.decode()) for path in pages]
    texts += [entry.get_change_message() for entry in LogEntry.objects.all()]

    assert [wrong for text in texts for wrong in faults(text)] == []
    assert len(texts) > len(pages)


@pytest.mark.parametrize(
    "planted", ["29.990 USD", "12000.000 JPY", "1.25 KWD", "29.990", "it is refund_due", "pending_payment", "29.9 USD"]
)
def test_a_planted_fault_is_found(planted):
    assert faults(f"Order 8a757a3a: {planted}, since 2026-01-15 12:47:03 EET")


def test_ids_and_times_are_no_faults():
    assert faults("pay_1 of evt_2, dp_3: 29.99 USD, 12000 JPY, 1.250 KWD at 12:47:03, 127.0.0.1, 12.5%") == []
