"""Hostile input to the admin gets a page, a message, 404 or 400, and never a 500."""

import itertools
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pytest
from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.contrib.auth.models import Group, User
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpResponse
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_api_key.models import APIKey

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Order
from checkout.tests.factories import HoldFactory
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.outbox.tests.factories import DeliveryFactory
from payments.admin.forms import RefundForm
from payments.models import Payment, Refund
from payments.tests.factories import receive, undone

HOSTILE = {
    "NUL": "a\x00b",
    "nothing": "",
    "a word": "abc",
    "negative": "-1",
    "30 digits": "9" * 30,
    "more digits than Python converts": "9" * 5_000,
    "an exponent": "1e999999",
    "another table's id": "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11",
    "the year 9999": "9999-12-31",
    "the last moment": "9999-12-31T23:59:59-05:00",
    "a list": "1,2,abc,\x00",
    "a quoted NUL": "_00",
    "half a surrogate pair": b"\xed\xa0\x80",
    "an open quote": '"abc',
}
# What a filter's parameter may be called behind the column's name; and lookups that no filter here offers.
LOOKUPS = (
    "", "__exact", "__in", "__isnull", "__gte", "__range", "__id__exact", "__regex", "__year", "__date", "__contains",
    "_from_0", "_to_0", "_to_1",
)  # fmt: skip
LIST_PARAMETERS = (
    SEARCH_VAR,
    ORDER_VAR,
    PAGE_VAR,
    ALL_VAR,
    "_changelist_filters",
    "_popup",
    "_to_field",
    "_facets",
    "e",
)
# What the pages of all actions ask for.
GIVEN = (
    "note", "delta", "amount", "currency", "order_id", "after", "until", "types", "restock_units", "already_done",
    "shown", "rate_max", "rate_max_slider", "rate_max_shown", "rate_max_shown_position",
)  # fmt: skip
FINE = {200, 302, 400, 403, 404}
# In a test a warning is an error: the values of other packages' date filters have no time zone.
pytestmark = pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
MODELS = sorted(site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def books(order, admin_user):
    """At least one row in most tables."""
    HoldFactory(product=order.product)
    receive(order_id=order.pk, payment_id="pay_1")
    receive(order_id=order.pk, payment_id="pay_2", amount="1.00")
    Refund.objects.create(
        payment=Payment.objects.get(), attempt=1, amount=1, status="sent", created_at=order.created_at
    )
    TOTPDevice.objects.create(user=admin_user, name="phone")
    APIKey.objects.create_key(name="shop")
    DeliveryFactory(event__resource_id=str(order.pk))
    return order


@pytest.fixture
def staff(admin_client, books):
    """A client of a superuser; exceptions become answers, as over HTTP."""
    admin_client.raise_request_exception = False
    return admin_client


def url_of(model, page: str, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def filters_of(model) -> list[str]:
    """Return the names of the columns by which a list is filtered, and of one by which it may not be."""
    named = [item[0] if isinstance(item, tuple) else item for item in site._registry[model].list_filter]
    return [*(name for name in named if isinstance(name, str)), model._meta.pk.name]


def queries_of(model) -> list[dict[str, str | bytes]]:
    """Return queries for a list: each filter with values in turn, each search with all."""
    values = itertools.cycle(HOSTILE.values())
    names = [f"{name}{lookup}" for name in filters_of(model) for lookup in LOOKUPS]
    queries = [{name: next(values)} for name in names]
    searched = (
        LIST_PARAMETERS if model in (Order, Group) else [SEARCH_VAR] if site._registry[model].search_fields else []
    )
    return queries + [{name: value} for name in searched for value in HOSTILE.values()]


def faults(requests: dict[str, Callable[[], HttpResponse]]) -> dict[str, int]:
    """Make the requests and return those that were answered otherwise than they should."""
    found = {}
    for name, request in requests.items():
        with undone():
            status = request().status_code
        if status not in FINE:
            found[name[:300]] = status
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_query_breaks_a_list(staff, model):
    paths = [f"{url_of(model, 'changelist')}?{urlencode(query)}" for query in queries_of(model)]

    assert faults({path: partial(staff.get, path) for path in paths}) == {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_id_breaks_a_page(staff, model):
    pages = ("change", "history", "delete", "password_change") if model is User else ("change", "history", "delete")
    requests = {}
    for text in (value for value in HOSTILE.values() if isinstance(value, str) and value):
        for page in pages:
            name = "admin:auth_user_password_change" if page == "password_change" else None
            path = reverse(name, args=[quote(text)]) if name else url_of(model, page, quote(text))
            requests |= {f"GET {path}": partial(staff.get, path)}
        requests |= {f"POST {path}": partial(staff.post, path, {"post": "yes", "_selected_action": text})}

    assert faults(requests) == {}


def actions_of(model, request) -> list[str]:
    return [name for name in site._registry[model].get_actions(request) if name]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_choice_breaks_an_action(staff, rf, admin_user, model):
    request = rf.get("/")
    request.user = admin_user
    values = itertools.cycle(HOSTILE.values())
    requests = {}
    for action in [*actions_of(model, request), "unheard_of", "a\x00b"]:
        for confirmed in ({}, {"confirmed": "yes", "post": "yes"}):
            for chosen in (next(values), HOSTILE["NUL"], HOSTILE["30 digits"]):
                fields = {"action": action, "_selected_action": ["1", chosen], "index": chosen, "note": chosen}
                fields |= dict.fromkeys(GIVEN, chosen) | confirmed
                requests[f"{action} {fields}"] = partial(staff.post, url_of(model, "changelist"), fields)

    assert faults(requests) == {}
    assert audit.find_drift() == []


def fields_of(page: HttpResponse) -> list[str]:
    """Return the names of the fields that the page of an action asks for; none where it asks nothing."""
    return list(page.context["form"].fields) if page.context and "form" in page.context else []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_value_breaks_a_decision_about_a_row(staff, rf, admin_user, model):
    """The rows are real ones; what is given besides is not: each field of the action by itself, and all of any."""
    request = rf.get("/")
    request.user = admin_user
    row = model.objects.first()
    if row is None or not issubclass(type(site._registry[model]), ConfirmedActionsAdmin):
        return
    requests = {}
    for action in actions_of(model, request):
        chosen = {"action": action, "_selected_action": row.pk}
        with undone():
            asked_for = fields_of(staff.post(url_of(model, "changelist"), chosen))
        assert set(asked_for) <= set(GIVEN)
        for value in (HOSTILE["NUL"], HOSTILE["30 digits"], str(2**31 - 1), str(1 - 2**31), "1e20", "9" * 21 + ".999"):
            for names in (*([name] for name in asked_for), GIVEN):
                fields = chosen | {"confirmed": "yes", "note": "Why"} | dict.fromkeys(names, value)
                requests[f"{action} {names}={value!r}"] = partial(staff.post, url_of(model, "changelist"), fields)

    assert faults(requests) == {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_value_breaks_a_form(staff, rf, admin_user, model):
    """Each field of each form with each value, the others empty or as they are."""
    request = rf.get("/")
    request.user = admin_user
    admin, row = site._registry[model], model.objects.first()
    requests = {}
    for path, obj in ((url_of(model, "add"), None), (url_of(model, "change", row.pk) if row else "", row)):
        if not path:
            continue
        form = admin.get_form(request, obj, change=obj is not None)(instance=obj)
        given = {name: value for name in form.fields if isinstance(value := form[name].value(), (str, int))}
        given |= {
            "name": "A",
            "price": "1",
            "currency": "USD",
            "max_per_hold": 1,
            "opening_stock": 1,
            "username": "bob",
            "url": "https://erp.example.com/hooks",
        }
        values = itertools.cycle(HOSTILE.values())
        for name in form.fields:
            for value in (next(values), "x" * 300, "9999-12-31", HOSTILE["NUL"]):
                fields = given | {name: value, f"{name}_0": value, f"{name}_1": "00:00"}
                requests[f"{path} {name}={value!r}"] = partial(staff.post, path, fields)

    assert faults(requests) == {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_query_string_breaks_an_empty_form(staff, model):
    """Each name with values in turn, and each value with all names."""
    names = [field.name for field in model._meta.get_fields()]
    values = itertools.cycle(HOSTILE.values())
    queries = [{name: next(values)} for name in names] + [dict.fromkeys(names, value) for value in HOSTILE.values()]
    paths = [f"{url_of(model, 'add')}?{urlencode(query)}" for query in queries]

    assert faults({path: partial(staff.get, path) for path in paths}) == {}


def test_a_query_string_does_not_prefill_a_form(staff):
    page = staff.get("/admin/catalog/product/add/?name=Chosen+elsewhere&price=0.01").content.decode()

    assert "Chosen elsewhere" not in page


def test_no_term_breaks_the_completion_of_a_choice(staff):
    right = {"app_label": "otp_totp", "model_name": "totpdevice", "field_name": "user", "term": "a"}
    paths = [
        f"/admin/autocomplete/?{urlencode(right | {name: value})}"
        for name in (*right, "page")
        for value in HOSTILE.values()
    ]

    assert faults({path: partial(staff.get, path) for path in paths}) == {}


def test_no_value_breaks_what_belongs_to_no_table(staff):
    paths = [
        f"{path}?{urlencode({name: value})}"
        for path in ("/admin/", "/admin/login/", "/admin/search/", "/admin/live/", "/admin/jsi18n/")
        for name in ("q", "s", "next", "p", "extended", "e")
        for value in HOSTILE.values()
    ]
    paths += [f"/admin/search/?{urlencode({'s': 'product', 'page': value})}" for value in HOSTILE.values()]

    assert faults({path: partial(staff.get, path) for path in paths}) == {}


def test_no_value_breaks_the_page_of_two_factor_log_in(staff, settings):
    settings.LOGIN_MAX_FAILURES = 1_000
    staff.post("/admin/two-factor/", {"step": "begin", "password": "password"})
    right = {"password": "password", "code": "123456"}
    posts = [
        right | {"step": step, name: value}
        for step in ("begin", "confirm", "cancel", "remove")
        for name in ("step", "password", "code")
        for value in HOSTILE.values()
    ]

    assert faults({str(fields): partial(staff.post, "/admin/two-factor/", fields) for fields in posts}) == {}


def test_a_filter_value_that_cannot_be_looked_up_gets_a_message(staff):
    response = staff.get("/admin/checkout/order/?payment_id=a%00b")

    assert response.status_code == 400
    assert "Nothing was changed." in response.content.decode()


@pytest.mark.parametrize("value", ["99999", "0", "-1", "10000"])
def test_an_impossible_year_shows_the_whole_list(staff, value):
    response = staff.get(f"/admin/checkout/order/?created_at__year={value}", follow=True)

    assert response.status_code == 200


def test_a_row_that_the_database_refuses_gets_a_message_and_stops_no_other(rf, admin_user, books):
    chosen = [books.product.pk, ProductFactory(name="Other").pk]
    request = rf.post("/", {"confirmed": "yes", "note": "Why", "_selected_action": chosen})
    request.user, request.session = admin_user, {}
    request._messages = FallbackStorage(request)

    @retrying_transaction_once
    def limit(product: Product, *, note: str) -> str:
        Product.objects.filter(pk=product.pk).update(max_per_hold=0 if product == books.product else 7)
        return f"{product}: 7"

    site._registry[Product].confirm_and_run(
        request, Product.objects.all(), action="publish", verb=limit, describe=lambda _, result: result
    )

    said = [str(message) for message in request._messages]
    [other, widget] = sorted(said)
    assert other == "Other: 7"
    assert widget.endswith("Nothing was changed for this row.")
    assert list(Product.objects.order_by("pk").values_list("max_per_hold", flat=True)) == [10, 7]


@pytest.mark.parametrize(
    ("amount", "currency", "is_right"), [("0.5", "JPY", False), ("1.001", "USD", False), ("5", "JPY", True)]
)
def test_money_is_given_back_in_the_decimals_of_its_currency(amount, currency, is_right):
    form = RefundForm({"amount": amount, "currency": currency, "note": "Why"})

    assert form.is_valid() is is_right
    assert is_right or set(form.errors) == {"amount"}
