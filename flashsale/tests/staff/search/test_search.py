"""The search of the side bar finds what staff have in hand: an id, a customer, a payment, a name."""

import pytest
from django.contrib.auth.models import Permission

from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.staff.search import lookups
from flashsale.tests.support.admin import admin_url
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive


@pytest.fixture
def order(db):
    """An order of customer-77 that pi_abcDEF paid."""
    product = ProductFactory(name="Flash Sale Widget")
    order = OrderFactory(product=product, quantity=2, customer_id="customer-77")
    receive(key="evt_1", order_id=order.pk, payment_id="pi_abcDEF")
    return Order.objects.get()


def found(client, text: str) -> dict[str, str]:
    """Return the results: the path of each and what it is, without its status."""
    response = client.get("/admin/search/", {"s": text})
    assert response.status_code == 200
    return {result.url: result.kind.partition(",")[0] for result in response.context["results"]}


def page_of(row) -> str:
    return admin_url(type(row), "change", row.pk)


@pytest.mark.parametrize(
    "text_of",
    [
        lambda order: str(order.pk),
        lambda order: str(order.pk).upper(),
        lambda order: order.pk.hex,
        lambda order: order.pk.hex[:8],
        lambda order: f"  {order.pk.hex[:8]} ",
        str,
        lambda order: "customer-77",
        lambda order: "pi_abcDEF",
    ],
    ids=["whole id", "capitals", "no hyphens", "short id", "blanks", "name", "customer", "payment"],
)
def test_an_order_is_found(admin_client, order, text_of):
    assert found(admin_client, text_of(order))[page_of(order)] == "order"


@pytest.mark.parametrize(
    "text_of", [lambda hold: str(hold.pk), lambda hold: hold.pk.hex[:8], lambda _: "customer-77", lambda _: "pi_abcDEF"]
)
def test_a_hold_is_found(admin_client, order, text_of):
    assert found(admin_client, text_of(order.hold))[page_of(order.hold)] == "hold"


def test_what_is_found_is_named_and_says_what_it_is(admin_client, order):
    page = admin_client.get("/admin/search/", {"s": order.pk.hex[:8]}).content.decode()

    assert f"{order.pk.hex[:8]}, 2 x Flash Sale Widget, customer-77" in page
    assert '<span class="search-kind">order, paid</span>' in page


def test_payments_and_events_are_found_by_their_ids(admin_client, order):
    payment, event = Payment.objects.get(), WebhookEvent.objects.get()

    assert found(admin_client, "pi_abcDEF")[page_of(payment)] == "payment"
    assert found(admin_client, event.event_id)[page_of(event)] == "webhook event"
    # Ids are compared as they are.
    assert found(admin_client, "PI_ABCdef") == {}


def test_a_product_is_found_by_id_and_name(admin_client, order):
    product = order.product

    assert found(admin_client, str(product.pk))[page_of(product)] == "product"
    assert found(admin_client, "sale widg")[page_of(product)] == "product"


def test_an_account_is_found_by_name(admin_client, admin_user, django_user_model):
    maria = django_user_model.objects.create_user("maria", first_name="Maria", last_name="Rossi")

    assert found(admin_client, "ross") == {page_of(maria): "account"}


def test_a_page_of_the_menu_is_found(admin_client):
    assert found(admin_client, "two-factor") == {"/admin/otp_totp/totpdevice/": "Staff"}
    assert found(admin_client, "holds")["/admin/checkout/hold/"] == "Orders"


def test_results_respect_permissions(client, order, django_user_model):
    person = django_user_model.objects.create_user("eve", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client.force_login(person)

    assert set(found(client, "pi_abcDEF").values()) == {"payment"}
    assert found(client, "customer-77") == {}
    assert found(client, "holds") == {}


@pytest.mark.parametrize(
    ("text", "answer"),
    [("zzz", "Nothing found for “zzz”"), ("z", "at least two"), ("", "at least two"), ("<b>", "“&lt;b&gt;”")],
)
def test_a_search_is_never_silent(admin_client, text, answer):
    page = admin_client.get("/admin/search/", {"s": text}).content.decode()

    assert 'id="command-results-list"' in page
    assert answer in page


def test_each_kind_has_at_most_so_many_results(admin_client, monkeypatch):
    monkeypatch.setattr(lookups, "MAX_EACH", 2)
    orders = [OrderFactory(customer_id="customer-77") for _ in range(3)]

    results = found(admin_client, "customer-77")

    assert [url for url, kind in results.items() if kind == "order"] == [page_of(order) for order in orders[:0:-1]]


def test_a_search_asks_the_database_a_bounded_number_of_times(admin_client, order, django_assert_max_num_queries):
    for _ in range(9):
        HoldFactory(product=ProductFactory(), customer_id="customer-77")

    with django_assert_max_num_queries(25):
        admin_client.get("/admin/search/", {"s": "customer-77"})


def test_a_product_is_found_by_its_sku_the_exact_one_first(admin_client, db):
    part, exact = ProductFactory(sku="WID-10"), ProductFactory(sku="WID-1")

    assert list(found(admin_client, "WID-1")) == [page_of(exact), page_of(part)]
    assert page_of(part) in found(admin_client, "d-10")


def test_the_lists_of_orders_and_holds_are_searched_by_sku(admin_client, order):
    other = OrderFactory(product=ProductFactory(sku="WID-1"))

    for model, one in ((Order, other), (Hold, other.hold)):
        for text in ("WID-1", "id-1"):
            rows = admin_client.get(admin_url(model, "changelist"), {"q": text}).context["cl"].result_list
            assert [row.pk for row in rows] == [one.pk], (model, text)
