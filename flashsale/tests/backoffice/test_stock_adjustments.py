"""Stock adjusted over the back office API: once for each key, from an expected total, never below what is committed."""

import pytest

from catalog import inventory
from catalog.models import Product, Stock, StockAdjustment
from checkout import audit
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.core.submissions.keyed_requests import Request
from flashsale.tests.support.admin import decide
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.racing import Meeting, at_once, replace, without_row_locks

KEY = "0123456789abcdef"
DELIVERY = {"delta": 5, "reason": "Delivery 4711"}


def adjust(erp, product, body, **kwargs):
    return erp.post(f"/products/{product.pk}/stock-adjustments", body, **kwargs)


def test_an_adjustment_answers_the_numbers_and_happens_once(erp, product):
    HoldFactory(product=product, quantity=4)

    answer = adjust(erp, product, DELIVERY | {"expected_total": 10}, key=KEY)
    again = adjust(erp, product, DELIVERY | {"expected_total": 10}, key=KEY)

    made = answer.json()
    assert (answer.status_code, again.status_code, again.content) == (201, 201, answer.content)
    assert (made["product_id"], made["delta"], made["total_before"], made["total_after"]) == (product.pk, 5, 10, 15)
    assert (made["available_stock"], made["reserved"], made["sold"]) == (11, 4, 0)
    assert (made["reason"], made["made_by"]) == ("Delivery 4711", "API token ERP")
    assert Stock.objects.get().total == 15


def test_a_refused_adjustment_says_the_numbers_and_changes_nothing(erp, product):
    HoldFactory(product=product, quantity=4)

    below = problem_of(adjust(erp, product, {"delta": -7, "reason": "Recount"}), 409, "stock_below_commitments")
    changed = problem_of(adjust(erp, product, DELIVERY | {"expected_total": 9}), 409, "stock_changed")

    assert [below[name] for name in ("total", "reserved", "sold", "committed")] == [10, 4, 0, 4]
    assert changed["total"] == 10
    assert Stock.objects.get().total == 10


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"delta": 0, "reason": "x"}, "#/delta"),
        ({"delta": "5", "reason": "x"}, "#/delta"),
        ({"delta": 2**31 - 1, "reason": "x"}, "#/delta"),
        ({"delta": 2**31, "reason": "x"}, "#/delta"),
        ({"delta": 5}, "#/reason"),
        ({"delta": 5, "reason": " "}, "#/reason"),
        ({"delta": 5, "reason": "x" * 501}, "#/reason"),
        ({"delta": 5, "reason": "x", "expected_total": -1}, "#/expected_total"),
        ({"delta": 5, "reason": "x", "total": 15}, "#/total"),
    ],
)
def test_a_wrong_adjustment_is_refused_by_name(erp, product, body, pointer):
    problem = problem_of(adjust(erp, product, body), 400, "invalid")

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert Stock.objects.get().total == 10


@pytest.mark.django_db(transaction=True)
def test_overdue_units_are_taken_back_first(erp, product):
    let_hold_pass(HoldFactory(product=product, quantity=4))

    answer = adjust(erp, product, {"delta": -9, "reason": "Recount"})

    assert (answer.status_code, answer.json()["total_after"], answer.json()["reserved"]) == (201, 1, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_claimed", [True, False], ids=["", "control"])
def test_an_adjustment_sent_twice_at_once_beside_the_admins_happens_once(
    erp, admin_client, product, is_claimed, monkeypatch
):
    """Control: without the claim of the key it happens twice."""
    if not is_claimed:
        monkeypatch.setattr(Request, "claim", lambda self: None)

    answers = at_once(
        lambda: adjust(erp, product, DELIVERY, key=KEY),
        lambda: adjust(erp, product, DELIVERY, key=KEY),
        lambda: decide(admin_client, product, "adjust_stock", delta="-3", note="Counted again"),
    )

    assert [answer.status_code for answer in answers[:2]] == [201, 201]
    times = 1 if is_claimed else 2
    assert Stock.objects.get().total == 10 + 5 * times - 3
    assert StockAdjustment.objects.filter(delta=5).count() == times
    assert audit.find_drift() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["", "control"])
def test_of_two_that_expect_the_same_total_one_is_refused(erp, admin_client, product, is_locked, monkeypatch):
    """Control: without the lock the program changes a total that it has not seen."""
    if not is_locked:
        without_row_locks(monkeypatch, Product, Stock)
    replace(monkeypatch, inventory.lock, Meeting(2).after(inventory.lock))

    answer, _ = at_once(
        lambda: adjust(erp, product, DELIVERY | {"expected_total": 10}),
        lambda: decide(admin_client, product, "adjust_stock", delta="-3", note="Counted again"),
    )

    total = Stock.objects.get().total
    if is_locked:
        assert (answer.status_code, total) in [(409, 7), (201, 12)]
    else:
        assert (answer.status_code, answer.json()["total_after"], total) in [(201, 12, 12), (201, 15, 12)]
