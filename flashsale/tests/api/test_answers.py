"""What the answers of the API hold, member by member, and what a claim and a limit count."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from checkout.tests.support.holds import place
from checkout.tests.test_holds_and_orders import HOLD_MEMBERS, HOUR, ORDER_MEMBERS, PRODUCT_MEMBERS
from flashsale.tests.support.problems import problem_of
from payments.tests.factories import receive

UNKNOWN = "5f0c6a52-3d54-4c0e-9c7b-0d5b1f3f2a11"


def moment(text: str) -> datetime:
    """Return a time of an answer; it is ISO 8601 with offset."""
    value = datetime.fromisoformat(text)
    assert value.utcoffset() is not None
    return value


def test_a_product_answers_with_everything_it_was_given(api, db):
    starts, ends = timezone.now() - HOUR, timezone.now() + HOUR
    product = ProductFactory(
        name="Caf\u00e9 <b>", description="Two\nlines", stock=7, max_per_hold=3, max_per_customer=4,
        sale_starts_at=starts, sale_ends_at=ends,
    )  # fmt: skip

    body = api.get(f"/api/v1/products/{product.pk}").json()

    times = {name: moment(body.pop(name)) for name in ("sale_starts_at", "sale_ends_at", "updated_at")}
    assert times == {"sale_starts_at": starts, "sale_ends_at": ends, "updated_at": product.updated_at}
    assert body == {
        "id": product.pk, "name": "Caf\u00e9 <b>", "description": "Two\nlines", "price": "29.99", "currency": "USD",
        "total_stock": 7, "available_stock": 7, "is_sold_out": False, "sale_status": "live", "max_per_hold": 3,
        "max_per_customer": 4,
    }  # fmt: skip


def test_the_list_shows_products_as_their_own_pages_do(api, db):
    for stock in (0, 3):
        ProductFactory(stock=stock)
    let_order_pass(OrderFactory(quantity=2))
    Product.objects.filter(pk=ProductFactory().pk).update(is_published=False)

    listed = api.get("/api/v1/products").json()

    assert (listed["next"], listed["previous"], len(listed["results"])) == (None, None, 3)
    assert all(set(product) == PRODUCT_MEMBERS for product in listed["results"])
    assert listed["results"] == [api.get(f"/api/v1/products/{found['id']}").json() for found in listed["results"]]


def test_the_previous_page_is_the_one_before(api, db):
    for _ in range(51):
        ProductFactory()
    first = api.get("/api/v1/products").json()

    second = api.get(first["next"]).json()
    back = api.get(second["previous"]).json()

    assert len(second["results"]) == 1
    assert back["results"] == first["results"]


def test_a_new_hold_ends_after_its_time_to_live(api, product):
    body = place(api, product, quantity=2, ttl=90, customer_id="ann").json()

    assert set(body) == HOLD_MEMBERS
    assert moment(body["expires_at"]) - moment(body["created_at"]) == timedelta(seconds=90)
    assert body["expires_in_seconds"] == 90
    assert "customer_id" not in body


@pytest.mark.parametrize("end", ["converted", "released", "expired"])
def test_a_hold_that_ended_has_no_time_left(api, product, end):
    hold = HoldFactory(product=product)
    if end == "converted":
        order_id = str(orders.place(hold_id=hold.pk).pk)
    elif end == "released":
        holds.release(hold.pk)
    else:
        let_hold_pass(hold)
        holds.expire_due()

    body = api.get(f"/api/v1/holds/{hold.pk}").json()

    assert set(body) == HOLD_MEMBERS
    assert (body["status"], body["expires_in_seconds"]) == (end, 0)
    assert body["order_id"] == (order_id if end == "converted" else None)


def test_a_new_order_is_due_after_its_payment_window(api, hold):
    body = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert set(body) == ORDER_MEMBERS
    assert moment(body["payment_due_at"]) - moment(body["created_at"]) == timedelta(seconds=900)


def test_the_payment_window_is_a_setting(api, hold, settings):
    settings.ORDER_PAYMENT_SECONDS = 60

    body = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert moment(body["payment_due_at"]) - moment(body["created_at"]) == timedelta(seconds=60)


def test_a_paid_order_says_when(api, order):
    receive(order_id=order.pk, payment_id="pay_1")

    body = api.get(f"/api/v1/orders/{order.pk}").json()

    assert order.created_at < moment(body["paid_at"]) < order.payment_due_at
    assert (body["status"], body["payment_id"], body["refund"]) == ("paid", "pay_1", None)


@pytest.mark.parametrize(
    ("currency", "price", "refunded"), [("JPY", "1200", "0"), ("KWD", "1.234", "0.000"), ("USD", "0.01", "0.00")]
)
def test_every_amount_of_an_order_has_the_decimals_of_its_currency(api, db, currency, price, refunded):
    order = OrderFactory(product=ProductFactory(price=price, currency=currency))

    body = api.get(f"/api/v1/orders/{order.pk}").json()

    assert (body["unit_price"], body["total_amount"], body["refunded_amount"]) == (price, price, refunded)


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
def test_a_location_is_the_versioned_path_of_the_new_thing(api, product, prefix):
    hold = api.post(f"{prefix}/holds", {"product_id": product.pk, "quantity": 1})
    order = api.post(f"{prefix}/orders", {"hold_id": hold.json()["hold_id"]})

    assert hold.headers["Location"] == f"/api/v1/holds/{hold.json()['hold_id']}"
    assert order.headers["Location"] == f"/api/v1/orders/{order.json()['order_id']}"


def test_no_cache_keeps_an_answer_about_a_hold_or_an_order(api, product, order):
    answers = [
        place(api, product),
        place(api, product, quantity=11),
        api.get(f"/api/v1/holds/{order.hold_id}"),
        api.delete(f"/api/v1/holds/{order.hold_id}"),
        api.get(f"/api/v1/holds/{UNKNOWN}"),
        api.get(f"/api/v1/orders/{order.pk}"),
        api.post(f"/api/v1/orders/{order.pk}/cancel"),
    ]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_sold_out_is_said_in_words(api, db):
    product = ProductFactory(stock=0)

    body = problem_of(place(api, product), 409, "insufficient_stock")

    assert (body["title"], body["detail"], body["available"]) == ("Sold out", "Sold out", 0)


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [("expired", "hold_expired", "Hold has expired"), ("released", "hold_released", "Hold was released")],
)
def test_a_hold_that_ended_is_refused_in_words(api, hold, ending, code, words):
    if ending == "expired":
        let_hold_pass(hold)
        holds.expire_due()
    else:
        holds.release(hold.pk)
    before = Hold.objects.values().get()

    body = problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk)}), 409, code)

    assert (body["title"], body["detail"]) == (words, words)
    assert Hold.objects.values().get() == before


@pytest.mark.parametrize("tidied", [False, True], ids=["overdue", "expired by the worker"])
def test_an_expired_order_cannot_be_cancelled(api, product, order, tidied):
    let_order_pass(order)
    if tidied:
        orders.expire_due()

    problem_of(api.post(f"/api/v1/orders/{order.pk}/cancel"), 409, "order_not_pending")

    assert api.get(f"/api/v1/orders/{order.pk}").json()["status"] == "expired"
    assert api.get(f"/api/v1/products/{product.pk}").json()["available_stock"] == 10
    assert audit.find_drift() == []


def test_a_paid_order_cannot_be_cancelled(api, order):
    receive(order_id=order.pk, payment_id="pay_1")
    before = api.get(f"/api/v1/orders/{order.pk}").json()

    problem_of(api.post(f"/api/v1/orders/{order.pk}/cancel"), 409, "order_already_paid")

    assert api.get(f"/api/v1/orders/{order.pk}").json() == before


def test_an_unpublished_product_still_serves_the_holds_it_gave(api, product, hold):
    Product.objects.update(is_published=False)

    ordered = api.post("/api/v1/orders", {"hold_id": str(hold.pk)})

    assert ordered.status_code == 201
    assert api.post(f"/api/v1/orders/{ordered.json()['order_id']}/cancel").status_code == 200


def has(kind: str, product, quantity: int) -> None:
    """Let the customer ann have units of the product in one way."""
    claim = {"product": product, "quantity": quantity, "customer_id": "ann"}
    if kind == "hold":
        HoldFactory(**claim)
    elif kind == "overdue hold":
        let_hold_pass(HoldFactory(**claim))
    else:
        order = OrderFactory(**claim)
        if kind == "paid":
            receive(order_id=order.pk)
        elif kind == "cancelled":
            orders.cancel(order.pk)
        elif kind == "overdue order":
            let_order_pass(order)


@pytest.mark.parametrize("kind", ["hold", "pending", "paid"])
def test_the_customer_limit_counts_each_unit_once(api, db, kind):
    product = ProductFactory(max_per_customer=3)
    has(kind, product, 2)

    assert problem_of(place(api, product, quantity=2, customer_id="ann"), 409, "limit_exceeded")["limit"] == 3
    assert place(api, product, quantity=1, customer_id="ann").status_code == 201
    assert audit.find_drift() == []


@pytest.mark.parametrize("kind", ["overdue hold", "overdue order", "cancelled"])
def test_the_customer_limit_forgets_what_ended(api, db, kind):
    product = ProductFactory(max_per_customer=3)
    has(kind, product, 3)

    assert place(api, product, quantity=3, customer_id="ann").status_code == 201
    assert audit.find_drift() == []


@pytest.mark.parametrize("customer_id", ["Ann", " ann", "ann "])
def test_the_customer_limit_takes_a_customer_by_the_letter(api, db, customer_id):
    product, other = ProductFactory(max_per_customer=3), ProductFactory(max_per_customer=3)
    has("hold", product, 3)

    assert place(api, product, quantity=3, customer_id=customer_id).status_code == 201
    assert place(api, other, quantity=3, customer_id="ann").status_code == 201


def test_without_a_limit_a_customer_may_have_everything(api, product):
    assert [place(api, product, quantity=5, customer_id="ann").status_code for _ in range(2)] == [201, 201]


def test_a_hold_over_the_customer_limit_may_still_be_ordered(api, db):
    product = ProductFactory(max_per_customer=3)
    hold = HoldFactory(product=product, quantity=3, customer_id="ann")
    Product.objects.update(max_per_customer=1)

    assert api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).status_code == 201
