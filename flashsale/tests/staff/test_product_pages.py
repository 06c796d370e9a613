"""The pages of products: their status and numbers in words, what an action will do, and the sale so far."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from catalog import availability, products
from catalog.admin import wording
from catalog.models import Product, Stock, StockAdjustment
from catalog.sales import SaleStatus
from catalog.tests.factories import ProductFactory
from catalog.tests.support.imports import import_of
from checkout import holds, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.submissions import once
from flashsale.tests.support.admin import admin_url, decide, messages_of
from flashsale.tests.support.forms import filled_in
from flashsale.tests.support.racing import Meeting, at_once
from payments.tests.factories import receive

HOUR = timedelta(hours=1)


def overdue_hold(product, quantity: int) -> Hold:
    """A hold whose time is over, which no sweeper has taken back."""
    hold = HoldFactory(product=product, quantity=quantity)
    Hold.objects.filter(pk=hold.pk).update(created_at=timezone.now() - 2 * HOUR, expires_at=timezone.now() - HOUR)
    return hold


@pytest.fixture
def of_each_status(db) -> dict[str, Product]:
    """A product of every status, by the words for it."""
    now = timezone.now()
    found = {
        "Upcoming": ProductFactory(sale_starts_at=now + HOUR, sale_ends_at=now + 2 * HOUR),
        "Live": ProductFactory(sale_starts_at=now - HOUR),
        "Paused": ProductFactory(),
        "Sold out": ProductFactory(stock=2),
        "Ended": ProductFactory(sale_ends_at=now - HOUR),
        "Not published": ProductFactory(sale_ends_at=now - HOUR),
    }
    products.pause(found["Paused"].pk)
    HoldFactory(product=found["Sold out"], quantity=2)
    products.withdraw(found["Not published"].pk)
    return found


def shown(client, **query: str) -> list[Product]:
    return list(client.get(admin_url(Product, "changelist"), query).context["cl"].result_list)


def test_each_status_has_its_words_and_its_filter(admin_client, of_each_status):
    keys = {words: key for key, (words, _) in wording.STATUSES.items()}

    page = admin_client.get(admin_url(Product, "changelist")).content.decode()

    for words, product in of_each_status.items():
        assert shown(admin_client, status=keys[words]) == [product]
        assert wording.status_of(availability.read(Product.objects.filter(pk=product.pk))[0]) == keys[words]
        assert re.search(rf"<span[^>]*>\s*{words}\s*</span>", page)
    assert len(shown(admin_client, status="nonsense")) == len(of_each_status)


def test_units_of_overdue_holds_are_available_in_every_list_and_filter(admin_client):
    product = ProductFactory(stock=5)
    overdue_hold(product, 3)
    HoldFactory(product=product, quantity=2)

    pages = [admin_client.get(admin_url(model, "changelist")).content.decode() for model in (Product, Stock)]
    of_product = admin_client.get(admin_url(Product, "change", product.pk)).context["status"]

    assert "3 / 2 / 0 of 5" in pages[0]
    assert re.findall(r"field-(?:available|in_holds|sold|total)[^>]*>(\d+)<", pages[1]) == ["3", "2", "0", "5"]
    assert "5 in all: 3 available (3 of them overdue, taken back when needed), 2 reserved, 0 sold." in of_product
    assert shown(admin_client, status=SaleStatus.LIVE) == [product]
    assert shown(admin_client, status=SaleStatus.SOLD_OUT) == []


@pytest.mark.parametrize(("typed", "found"), [("17", 1), ("Gad", 1), ("widget", 2), ("999", 0), ("9" * 40, 0)])
def test_products_are_found_by_id_and_name(admin_client, typed, found):
    ProductFactory(name="Gadget")
    ProductFactory(name="Widget A")
    by_id = ProductFactory(name="Widget B")
    typed = str(by_id.pk) if typed == "17" else typed

    assert len(shown(admin_client, q=typed)) == found
    for model in (Stock, StockAdjustment):
        assert len(admin_client.get(admin_url(model, "changelist"), {"q": typed}).context["cl"].result_list) == found


def test_the_list_has_25_rows_a_page_and_asks_no_query_for_each(admin_client, django_assert_max_num_queries):
    ProductFactory.create_batch(30)

    for model in (Product, Stock, StockAdjustment):
        with django_assert_max_num_queries(12):
            page = admin_client.get(admin_url(model, "changelist"))
        assert len(page.context["cl"].result_list) == 25
        assert len(page.content) < 300_000


def test_an_empty_list_says_what_would_be_there(admin_client):
    for model, said in ((Product, "imported from a CSV file"), (Stock, "The stock of each"), (StockAdjustment, "why")):
        assert said in admin_client.get(admin_url(model, "changelist")).content.decode()


CAIRO = {
    "sale_starts_at": datetime(2126, 11, 27, 10, tzinfo=UTC),
    "sale_ends_at": datetime(2126, 11, 28, 10, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("action", "columns", "said"),
    [
        ("publish", CAIRO, "and buy it from 2126-11-27 12:00:00 EET (10:00:00 UTC) until 2126-11-28"),
        ("publish", {}, "Buyers can see it at once, and buy it at once."),
        ("publish", {"stock": 0}, "It has no units yet."),
        ("publish", {"sale_ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "They cannot buy it: the sale ended"),
        ("withdraw", {}, "Not shown to buyers any more; new holds are refused. Holds and orders that exist are not"),
        ("pause", {}, "New holds are refused until it is resumed; buyers still see the product. Holds and orders"),
        ("resume", {}, "New holds are accepted at once; 10 units are available."),
        ("resume", CAIRO, "New holds are accepted from 2126-11-27 12:00:00 EET (10:00:00 UTC); 10 units"),
        ("adjust_stock", {}, "Now: 10 in all: 10 available, 0 reserved, 0 sold."),
    ],
)  # fmt: skip
def test_the_confirmation_says_what_will_happen(admin_client, settings, action, columns, said):
    settings.TIME_ZONE = "Africa/Cairo"
    product = ProductFactory(name="Widget", **columns)

    page = admin_client.get(admin_url(Product, "act", product.pk, action))

    assert said in page.context["rows"][0][1]
    assert page.context["content_title"].endswith(": Widget")


def test_the_confirmation_of_many_says_it_for_each(admin_client):
    chosen = ProductFactory.create_batch(2)
    fields = {"action": "pause", "_selected_action": [product.pk for product in chosen]}

    page = admin_client.post(admin_url(Product, "changelist"), fields)

    assert page.context["content_title"] == "Pause the sale: 2 products"
    assert [row for row, _ in page.context["rows"]] == chosen
    assert all(effect.startswith("New holds are refused") for _, effect in page.context["rows"])


def test_a_new_product_is_said_to_be_unpublished_with_a_button(admin_client, settings):
    settings.TIME_ZONE = "Africa/Cairo"
    url = admin_url(Product, "add")
    fields = {"name": "Widget", "price": "29.99", "currency": "usd", "opening_stock": "5"}
    window = {"sale_starts_at_0": "2126-11-27", "sale_starts_at_1": "12:00"}

    answer = admin_client.post(
        url, filled_in(admin_client.get(url), holding=once.FIELD, **fields, **window), follow=True
    )

    product = Product.objects.get()
    [told] = messages_of(answer)
    assert answer.redirect_chain == [(admin_url(Product, "change", product.pk), 302)]
    assert f"Widget (id {product.pk}) was added. It is not published: buyers do not see it." in told
    assert "buyers can see it at once, and buy it from 2126-11-27 12:00:00 EET (10:00:00 UTC)." in told
    assert f'href="{admin_url(Product, "act", product.pk, "publish")}"' in told
    assert answer.context["status"].startswith("Not published: buyers do not see it.")


def test_lowering_below_the_commitments_is_refused_with_the_numbers(admin_client):
    product = ProductFactory(stock=10)
    HoldFactory(product=product, quantity=4)

    told = messages_of(decide(admin_client, product, "adjust_stock", delta="-7", note="Counted again"))

    assert told == [f"{product}: The total cannot become 3. It is 10: 4 reserved and 0 sold units are committed."]
    assert Stock.objects.get().total == 10


@pytest.mark.django_db(transaction=True)
def test_lowering_takes_overdue_units_back_first(admin_client):
    product = ProductFactory(stock=10)
    hold = overdue_hold(product, 4)

    told = messages_of(decide(admin_client, product, "adjust_stock", delta="-9", note="Counted again"))

    hold.refresh_from_db()
    stock = Stock.objects.get()
    assert told == [f"{product} had 10 units in all: -9 units, 1 in all."]
    assert (hold.status, stock.total, stock.reserved) == (Hold.Status.EXPIRED, 1, 0)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_taken_back_where_it_would_not_be_enough(admin_client):
    product = ProductFactory(stock=10)
    hold = overdue_hold(product, 4)
    HoldFactory(product=product, quantity=3)

    told = messages_of(decide(admin_client, product, "adjust_stock", delta="-8", note="Counted again"))

    hold.refresh_from_db()
    assert "7 reserved and 0 sold units are committed" in told[0]
    assert (hold.status, Stock.objects.get().total) == (Hold.Status.ACTIVE, 10)


def figures_of(client, product) -> dict[str, str]:
    page = client.get(admin_url(Product, "change", product.pk))
    return {figure.name: figure.value for figure in page.context["figures"]}


def test_the_sale_so_far_counts_holds_orders_and_money(admin_client):
    product = ProductFactory(stock=8, price=Decimal("29.99"))
    paid = OrderFactory(product=product, quantity=2)
    receive(order_id=paid.pk, payment_id="pay_1")
    orders.revoke(OrderFactory(product=product).pk)
    holds.revoke(HoldFactory(product=product, quantity=1).pk)
    HoldFactory(product=product, quantity=4)
    overdue_hold(product, 2)

    figures = figures_of(admin_client, product)

    assert figures["Holds placed"] == "5 for 10 units"
    assert figures["What became of the holds"] == "1 active, 2 ordered, 1 expired, 1 given up"
    assert figures["Orders"] == "2"
    assert figures["What became of the orders"] == "1 paid, 1 cancelled"
    assert figures["Revenue"] == "59.98 USD taken"
    assert "Sold out" not in figures


def test_a_sold_out_sale_says_how_long_it_took(admin_client):
    start = timezone.now() - HOUR
    product = ProductFactory(stock=2, sale_starts_at=start)
    first, last = HoldFactory(product=product), HoldFactory(product=product)
    for hold, seconds in ((first, 1), (last, 42)):
        Hold.objects.filter(pk=hold.pk).update(created_at=start + timedelta(seconds=seconds))

    assert figures_of(admin_client, product)["Sold out"] == "42.0 s after the start, with the last hold"


def test_the_figures_link_to_the_holds_and_orders_of_the_product(admin_client):
    mine, other = OrderFactory(product=ProductFactory()), OrderFactory(product=ProductFactory())
    page = admin_client.get(admin_url(Product, "change", mine.product_id))

    for figure in page.context["figures"]:
        if figure.url:
            rows = list(admin_client.get(figure.url).context["cl"].result_list)
            assert rows in ([mine], [mine.hold])
    assert other.product_id != mine.product_id


def test_a_viewer_of_products_only_sees_no_figures_of_orders(client, django_user_model):
    product = OrderFactory().product
    viewer = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    viewer.user_permissions.add(viewer.user_permissions.model.objects.get(codename="view_product"))
    client.force_login(viewer)

    page = client.get(admin_url(Product, "change", product.pk))

    assert page.status_code == 200
    assert page.context["figures"] == []


PRICES = {"USD": ("29.99", "29.990"), "JPY": ("12000", "12000.0"), "KWD": ("1.250", "1.2500")}


@pytest.fixture
def priced(admin_client, settings, db) -> list[Product]:
    """A sold product in each currency, whose price was changed."""
    settings.TIME_ZONE = "Africa/Cairo"
    made = []
    for currency, (price, _) in PRICES.items():
        product = ProductFactory(name=f"In {currency}", price=Decimal(price) * 2, currency=currency)
        Product.objects.filter(pk=product.pk).update(price=Decimal(price))
        receive(order_id=OrderFactory(product=Product.objects.get(pk=product.pk)).pk, payment_id=f"pay_{currency}",
                amount=price, currency=currency)  # fmt: skip
        made.append(product)
    return made


def catalog_pages(client, viewer, priced) -> list[str]:
    """The texts of all pages of the catalog: as a manager sees them, who may edit, and as a viewer."""
    models = (Product, Stock, StockAdjustment)
    urls = [admin_url(model, page) for model in models for page in ("changelist", "export")]
    urls += [admin_url(model, "change", model.objects.first().pk) for model in (Stock, StockAdjustment)]
    urls += [admin_url(Product, page, product.pk) for product in priced for page in ("change", "history")]
    urls += [
        admin_url(Product, "act", row.pk, action) for row in priced for action in ("pause", "withdraw", "adjust_stock")
    ]
    answers = [one.get(url) for url in urls for one in (client, viewer)]
    answers += [import_of(client, price=price, currency=currency) for currency, (price, _) in PRICES.items()]
    return [(b"".join(answer.streaming_content) if answer.streaming else answer.content).decode() for answer in answers]


def test_every_page_shows_amounts_in_their_currencys_decimals(admin_client, client, django_user_model, priced):
    viewer = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    viewer.groups.add(viewer.groups.model.objects.get(name="viewer"))
    client.force_login(viewer)

    pages = catalog_pages(admin_client, client, priced)

    for currency, (right, wrong) in PRICES.items():
        assert sum(f"{right} {currency}" in page for page in pages) >= 6
        assert not [page for page in pages if wrong in page]
    inputs = [admin_client.get(admin_url(Product, "change", product.pk)).content.decode() for product in priced]
    for page, (right, _) in zip(inputs, PRICES.values(), strict=True):
        assert re.search(rf'name="price" value="{re.escape(right)}"', page)


def saved_twice_at_once(new_admin_client) -> list:
    product = ProductFactory(price=Decimal("29.99"))
    url = admin_url(Product, "change", product.pk)
    clients = [new_admin_client(), new_admin_client()]
    sent = [
        filled_in(one.get(url), holding="price", price=price) for one, price in zip(clients, ("1", "2"), strict=True)
    ]
    return at_once(
        *[lambda one=one, fields=fields: one.post(url, fields) for one, fields in zip(clients, sent, strict=True)]
    )


def test_two_forms_saved_at_the_same_moment_one_is_refused(new_admin_client):
    answers = saved_twice_at_once(new_admin_client)

    assert sorted(answer.status_code for answer in answers) == [200, 302]


def test_control_without_the_lock_the_last_one_wins_silently(new_admin_client, monkeypatch):
    unlocked = Meeting(2).after(lambda product_id: Product.objects.get(pk=product_id))
    monkeypatch.setattr(products, "lock_for_edit", unlocked)

    answers = saved_twice_at_once(new_admin_client)

    assert [answer.status_code for answer in answers] == [302, 302]


def test_the_list_of_ten_thousand_products_stays_small(admin_client, db):
    rows = [{"name": f"Widget {n}", "price": Decimal(1), "currency": "USD", "stock": 5} for n in range(10_000)]
    products.add_all(rows)
    # As autovacuum does, which no transaction of a test waits for.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product, catalog_stock")

    for query in ({}, {"status": "sold_out"}, {"q": "9999"}, {"p": "300"}):
        page = admin_client.get(admin_url(Product, "changelist"), query)
        assert (page.status_code, len(page.content) < 300_000) == (200, True)
