"""Products over the back office API: added unpublished, listed, edited by version, published and paused."""

import pytest
from django.db import connection

from catalog import availability, products
from catalog.models import Product, StockAdjustment
from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory
from flashsale.core.submissions.models import TokenAction
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.forms import filled_in
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.racing import Meeting, at_once

NEW = {"name": " Widget ", "price": "29.99", "currency": "usd", "stock": 7}
KEY = "0123456789abcdef"


def path_of(product: Product) -> str:
    return f"/products/{product.pk}"


def edit(erp, product: Product, changes, *, etag: str | None = None):
    """PATCH with the version as it is, or with another `etag`; "" sends none."""
    current = erp.get(path_of(product)).headers["ETag"] if etag is None else etag
    return erp.patch(path_of(product), changes, **({"If-Match": current} if current else {}))


def test_a_product_is_added_unpublished_and_once(erp, api):
    answer = erp.post(
        "/products", NEW | {"sale_starts_at": "2030-01-01T12:00:00+02:00", "max_per_customer": 2}, key=KEY
    )
    same = {"sale_starts_at": "2030-01-01T10:00:00Z", "max_per_customer": 2, "currency": "USD"}
    again = erp.post("/products", NEW | same, key=KEY)

    added = answer.json()
    assert answer.status_code == again.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/backoffice/products/{added['id']}"
    assert (again.content, again.headers["ETag"]) == (answer.content, answer.headers["ETag"])
    assert (added["name"], added["price"], added["currency"], added["sale_starts_at"]) == (
        "Widget", "29.99", "USD", "2030-01-01T10:00:00Z",
    )  # fmt: skip
    assert (added["is_published"], added["total_stock"], added["max_per_hold"]) == (False, 7, 10)
    assert (added["available_stock"], added["reserved"], added["sold"], added["paused_at"]) == (7, 0, 0, None)
    assert api.get(f"/api/v1/products/{added['id']}").status_code == 404
    assert Product.objects.count() == StockAdjustment.objects.count() == 1
    assert (StockAdjustment.objects.get().author, TokenAction.objects.get().text) == ("API token ERP", "Added.")


def test_a_sku_and_a_picture_are_given_and_taken_away_and_no_sku_is_given_twice(erp):
    given = {"sku": "W-1", "image_url": "https://images.example.com/w.png"}
    added = erp.post("/products", NEW | given).json()
    product, other = Product.objects.get(), ProductFactory()

    twice = [erp.post("/products", NEW | given), edit(erp, other, {"sku": "W-1"})]
    emptied = edit(erp, product, dict.fromkeys(given)).json()

    assert {name: added[name] for name in given} == given
    for answer in twice:
        faults = problem_of(answer, 400, "invalid")["errors"]
        assert [(fault["pointer"], fault["detail"]) for fault in faults] == [("#/sku", "Another product has this SKU.")]
    assert {name: emptied[name] for name in given} == dict.fromkeys(given)
    assert edit(erp, other, {"sku": "W-1"}).json()["sku"] == "W-1"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": "  "}, "#/name"),
        ({"name": "x" * 201}, "#/name"),
        ({"name": None}, "#/name"),
        ({"price": 29.99}, "#/price"),
        ({"price": "29,99"}, "#/price"),
        ({"price": "0"}, "#/price"),
        ({"price": "1.001"}, "#/price"),
        ({"price": "1" * 20}, "#/price"),
        ({"currency": "XYZ"}, "#/currency"),
        ({"currency": "US"}, "#/currency"),
        ({"stock": "7"}, "#/stock"),
        ({"stock": -1}, "#/stock"),
        ({"max_per_hold": 0}, "#/max_per_hold"),
        ({"max_per_hold": None}, "#/max_per_hold"),
        ({"sku": ""}, "#/sku"),
        ({"sku": " a"}, "#/sku"),
        ({"sku": 7}, "#/sku"),
        ({"image_url": ""}, "#/image_url"),
        ({"image_url": "picture.png"}, "#/image_url"),
        ({"sale_starts_at": "2030-01-01T12:00:00"}, "#/sale_starts_at"),
        ({"sale_starts_at": "9999-12-31T23:59:59Z"}, "#/sale_starts_at"),
        ({"sale_starts_at": "2030-01-01T12:00Z", "sale_ends_at": "2030-01-01T12:00Z"}, "#/sale_ends_at"),
        ({"is_published": True}, "#/is_published"),
        ({"total_stock": 7}, "#/total_stock"),
    ],
)
def test_what_a_product_cannot_have_is_refused_by_name(erp, wrong, pointer):
    product = ProductFactory()

    added = problem_of(erp.post("/products", NEW | wrong), 400, "invalid")

    assert {fault["pointer"] for fault in added["errors"]} == {pointer}
    if pointer != "#/stock":
        edited = problem_of(edit(erp, product, wrong), 400, "invalid")
        assert {fault["pointer"] for fault in edited["errors"]} == {pointer}
    assert products.version_of(Product.objects.get()) == products.version_of(product)


@pytest.mark.parametrize("body", [[], {"name": "Widget"}, {}])
def test_a_product_needs_its_members(erp, body):
    problem_of(erp.post("/products", body), 400, "invalid")

    assert not Product.objects.exists()


def test_the_list_shows_all_products_newest_first_and_filters(erp, product):
    added = erp.post("/products", NEW | {"sku": "W-1"}).json()

    everything = erp.get("/products", {"limit": 1}).json()
    rest = erp.get(everything["next"]).json()
    published = erp.get("/products", {"is_published": "true"}).json()
    others = erp.get("/products", {"is_published": "false"}).json()
    named = erp.get("/products", {"sku": "W-1"}).json()

    assert everything["results"] == others["results"] == named["results"] == [added]
    assert erp.get("/products", {"sku": "w-1"}).json()["results"] == []
    assert [one["id"] for one in rest["results"]] == [one["id"] for one in published["results"]] == [product.pk]
    problem_of(erp.get("/products", {"is_published": "1"}), 400, "invalid")


@pytest.mark.parametrize("filters", [{}, {"is_published": True}])
def test_the_list_is_read_by_an_index(new_tables, product, filters):
    page = availability.annotate(Product.objects.filter(**filters)).order_by("-created_at", "-pk")[:51]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")

    plan = page.explain()

    assert "by_creation" in plan
    assert "Scan Backward" in plan


def test_an_answer_shows_what_only_staff_see(erp, product):
    HoldFactory(product=product, quantity=4)
    products.pause(product.pk)

    answer = erp.get(path_of(product))
    shown = answer.json()

    assert (shown["total_stock"], shown["available_stock"], shown["reserved"], shown["sold"]) == (10, 6, 4, 0)
    assert (shown["sale_status"], shown["is_published"], bool(shown["paused_at"])) == ("paused", True, True)
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_edit_changes_what_it_names(erp, product):
    answer = edit(erp, product, {"price": "12.50", "sale_ends_at": "2031-01-01T00:00:00Z", "description": ""})
    cleared = edit(erp, product, {"sale_ends_at": None}, etag=answer.headers["ETag"])

    assert answer.status_code == cleared.status_code == 200
    assert (answer.json()["price"], answer.json()["name"]) == ("12.50", product.name)
    assert cleared.json()["sale_ends_at"] is None
    assert cleared.headers["ETag"] == erp.get(path_of(product)).headers["ETag"] != answer.headers["ETag"]


def test_an_edit_names_something(erp, product):
    assert problem_of(edit(erp, product, {}), 400, "invalid")["errors"][0]["pointer"] == "#"


def test_two_editors_never_overwrite_each_other(erp, product):
    seen = erp.get(path_of(product)).headers["ETag"]
    edit(erp, product, {"name": "Better widget"}, etag=seen)

    problem_of(edit(erp, product, {"price": "1.00"}, etag=seen), 412, "precondition_failed")
    problem_of(edit(erp, product, {"price": "1.00"}, etag=""), 428, "precondition_required")

    assert (Product.objects.get().name, str(Product.objects.get().price)) == ("Better widget", "29.990")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        ('"stale", {etag}', 200),
        ("W/{etag}", 412),  # If-Match compares strongly
        ('"stale"', 412),
        ('""', 412),
        ("{bare}", 400),
        ('{etag} "stale"', 400),
        (",", 400),
        ('*, "stale"', 400),
    ],
)
def test_a_precondition_is_read_as_http_says(erp, product, header, status):
    etag = erp.get(path_of(product)).headers["ETag"]

    answer = erp.patch(
        path_of(product), {"name": "Last"}, **{"If-Match": header.format(etag=etag, bare=etag.strip('"'))}
    )

    assert answer.status_code == status
    assert (Product.objects.get().name == "Last") is (status == 200)
    if status == 400:
        assert answer.json()["errors"][0]["pointer"] == "#header/If-Match"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["", "control"])
def test_of_an_edit_and_the_admins_form_saved_at_once_one_is_refused(
    erp, admin_client, product, is_locked, monkeypatch
):
    """Control: without the lock both are saved, and the price of one overwrites that of the other."""
    url = admin_url(Product, "change", product.pk)
    fields = filled_in(admin_client.get(url), holding="price", price="1.00")
    etag = erp.get(path_of(product)).headers["ETag"]
    if not is_locked:
        unlocked = Meeting(2).after(lambda product_id: Product.objects.get(pk=product_id))
        monkeypatch.setattr(products, "lock_for_edit", unlocked)

    page, answer = at_once(
        lambda: admin_client.post(url, fields), lambda: edit(erp, product, {"price": "2.00"}, etag=etag)
    )

    saved = [page.status_code == 302, answer.status_code == 200]
    assert saved.count(True) == (1 if is_locked else 2)
    if is_locked:
        assert page.status_code == 302 or "API token ERP changed this from 29.99 USD to 2.00 USD" in page.text
        assert answer.status_code == 200 or answer.json()["code"] == "precondition_failed"


@pytest.mark.parametrize(
    ("change", "member", "before", "after"),
    [
        ("withdraw", "is_published", True, False),
        ("publish", "is_published", False, True),
        ("pause", "sale_status", "live", "paused"),
        ("resume", "sale_status", "paused", "live"),
    ],
)
def test_a_change_of_state_may_be_repeated(erp, product, change, member, before, after):
    Product.objects.update(
        is_published=change != "publish", paused_at=product.created_at if change == "resume" else None
    )
    assert erp.get(path_of(product)).json()[member] == before

    first = erp.post(f"{path_of(product)}/{change}", {"note": "As planned"}, key=KEY)
    replayed = erp.post(f"{path_of(product)}/{change}", {"note": "As planned"}, key=KEY)
    again = erp.post(f"{path_of(product)}/{change}")

    assert [one.status_code for one in (first, replayed, again)] == [200] * 3
    assert first.json()[member] == again.json()[member] == after
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert TokenAction.objects.get().text.endswith("Note: As planned")


@pytest.mark.parametrize("unknown", ["999999", "0", "1.0", "abc", str(2**63)])
def test_what_does_not_exist_is_not_found(erp, unknown):
    tag = {"If-Match": "*"}

    answers = [erp.get(f"/products/{unknown}"), erp.patch(f"/products/{unknown}", {"name": "x"}, **tag)]
    answers += [erp.post(f"/products/{unknown}/{change}") for change in products.Change]
    answers += [erp.post(f"/products/{unknown}/stock-adjustments", {"delta": 1, "reason": "x"})]
    answers += [erp.get(f"/products/{unknown}/statistics")]

    for answer in answers:
        problem_of(answer, 404, "not_found")


def test_the_history_names_the_token(erp, admin_client, product):
    edit(erp, product, {"name": "Better widget"})
    erp.post(f"{path_of(product)}/pause", {"note": "Too many bots"})

    page = admin_client.get(admin_url(Product, "change", product.pk)).text

    assert f"API token ERP: Name {product.name} → Better widget" in page
    assert "API token ERP: paused at" in page
    assert "API token ERP: Paused. Note: Too many bots" in page
