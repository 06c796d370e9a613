"""Each reason that the rules give has a sentence for staff, which names amounts, orders and ids instead of codes."""

import ast
from uuid import uuid4

import pytest

from checkout import orders
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.identifiers import short
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import production_modules
from payments import explanations
from payments.explanations.bodies import readable
from payments.explanations.reasons import EVENT_REASONS, PAYMENT_REASONS
from payments.inbox.rules.judging import IGNORED_KINDS
from payments.inbox.rules.successes import REFUND_REASONS
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

REASONS_GIVEN_TO = {"update", "record", "_make_refund_due"}
GIVEN_BY = {"review", "ignore", "applied", "Unmatched", "Verdict"}


def reasons_in(source: str) -> tuple[set[str], set[str]]:
    """Return the reasons for events and for payments that a module gives as texts."""
    of_events, of_payments = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in GIVEN_BY:
            of_events |= texts_in(node.args)
        for keyword in getattr(node, "keywords", []):
            verb = ast.unparse(node.func).rpartition(".")[2] if keyword.arg == "reason" else ""
            if verb in REASONS_GIVEN_TO:
                (of_events if verb == "update" else of_payments).update(texts_in([keyword.value]))
        if isinstance(node, ast.Assign) and "event.reason" in ast.unparse(node.targets[0]):
            of_events |= texts_in([node.value])
    return of_events - {""}, of_payments - {""}


def texts_in(nodes: list[ast.AST]) -> set[str]:
    constants = (part for node in nodes for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {part.value for part in constants if isinstance(part.value, str) and part.value.islower()}


def test_every_reason_that_the_code_gives_has_a_sentence():
    of_events, of_payments = set(IGNORED_KINDS.values()), {*REFUND_REASONS.values(), "refund_failed"}
    for path in production_modules():
        inside = path.relative_to(PROJECT).parts
        if inside[0] == "payments" and inside[1] != "explanations":
            more_of_events, more_of_payments = reasons_in(path.read_text())
            of_events |= more_of_events
            of_payments |= more_of_payments

    assert {"amount_differs", "gave_up", "error", "retried_by_staff", "dismissed_by_staff"} <= of_events
    assert {"units_gone", "too_late", "refunded_by_staff"} <= of_payments
    known = of_events - {"failed", "dead"}
    assert known - EVENT_REASONS.keys() == set()
    assert of_payments - PAYMENT_REASONS.keys() == set()


def test_no_sentence_has_a_word_of_the_database():
    for sentence in [*EVENT_REASONS.values(), *PAYMENT_REASONS.values()]:
        assert not isinstance(sentence, str) or "_" not in sentence


@pytest.mark.parametrize("reason", sorted(EVENT_REASONS))
@pytest.mark.parametrize("status", WebhookEvent.Status.values)
def test_every_sentence_can_be_said_of_an_event_of_which_nothing_is_known(db, reason, status):
    event = WebhookEvent(provider="standard", event_id="evt_1", reason=reason, status=status, kind="success")

    situation = explanations.read(event)

    assert "_" not in explanations.why(situation)
    assert "None" not in explanations.why(situation)
    assert "_" not in explanations.what_happened(situation)


def why(event: WebhookEvent) -> str:
    event.refresh_from_db()
    return explanations.why(explanations.read(event))


def test_a_wrong_amount_is_told_with_both_amounts(order):
    event = receive(order_id=order.pk, payment_id="pay_1", amount="30.99", currency="USD").event

    assert why(event) == "paid 30.99 USD, expected 59.98 USD"


def test_a_wrong_currency_is_told_with_both_amounts(order):
    event = receive(order_id=order.pk, payment_id="pay_1", amount="6000", currency="JPY").event

    assert why(event) == "paid 6000 JPY, expected 59.98 USD"


def test_references_to_different_orders_are_named(order, product):
    other = OrderFactory(product=product)
    free = HoldFactory(product=product)

    both = receive(order_id=order.pk, hold_id=other.hold_id).event
    none = receive(order_id=order.pk, hold_id=free.pk).event

    a, b = short(order.pk), short(other.pk)
    assert why(both) == f"names order {a} and hold {short(other.hold_id)} of order {b}"
    assert why(none) == f"names order {a} and hold {short(free.pk)}, which is not that order's"


def test_the_owner_of_a_payment_id_is_named(order, product):
    receive(order_id=order.pk, payment_id="pay_1")
    other = OrderFactory(product=product)

    named = receive(order_id=other.pk, payment_id="pay_1").event
    unknown = uuid4()
    lost = receive(order_id=unknown, payment_id="pay_1").event

    assert why(named) == f"its payment id belongs to order {short(order.pk)}"
    assert why(lost) == (
        f"names order {short(unknown)}, which is unknown, with the payment id of order {short(order.pk)}"
    )


def test_why_money_is_due_is_told_for_the_payment_and_its_event(order):
    orders.cancel(order.pk)

    event = receive(order_id=order.pk, payment_id="pay_1").event

    assert explanations.why_due(Payment.objects.get()) == "the order was cancelled before the money came"
    assert why(event) == "its money is due for refund: the order was cancelled before the money came"


def test_a_refund_larger_than_what_is_left_is_told_with_both_amounts(order):
    receive(order_id=order.pk, payment_id="pay_1")

    event = receive(status="refunded", payment_id="pay_1", amount="70.00", currency="USD").event

    assert why(event) == "gave 70.00 USD back, only 59.98 USD are left of the payment"


def test_a_dead_event_tells_how_often_it_was_tried_and_the_last_error(order):
    event = receive(order_id=order.pk).event
    WebhookEvent.objects.update(status="dead", reason="gave_up", attempts=12, last_error="OSError: disk full")

    assert why(event) == "gave up after 12 attempts: OSError: disk full"


def test_many_events_are_explained_with_a_few_queries(product, django_assert_max_num_queries):
    for number in range(5):
        order, other = OrderFactory(product=product), OrderFactory(product=product)
        receive(order_id=order.pk, hold_id=other.hold_id, payment_id=f"pay_{number}")
    events = WebhookEvent.objects.select_related("order__product", "settled_by")

    with django_assert_max_num_queries(5):
        sentences = [explanations.why(of) for of in explanations.read_all(events)]

    assert len(sentences) == 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": 1, "b": [1.5]}', '{\n  "a": 1,\n  "b": [\n    1.5\n  ]\n}'),
        ('{"name": "Zo\\u00eb"}', '{\n  "name": "Zo\u00eb"\n}'),
        ("no JSON", "no JSON"), ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'), ('{"a": 1.50}', '{"a": 1.50}'),
        ('{"a": NaN}', '{"a": NaN}'), ("[" * 100_000, "[" * 100_000), ('"\\ud800"', '"\\ud800"'), ("", ""),
        ("9" * 5_000, "9" * 5_000),
    ],
)  # fmt: skip
def test_bodies_are_indented_unless_that_would_change_what_they_say(text, shown):
    assert readable(text) == shown
