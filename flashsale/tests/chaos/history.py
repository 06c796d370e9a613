"""The history of a storm: every request with its answer, compared with the database afterwards."""

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from django.db.models import F, Q, Sum

from catalog.models import Product, Stock
from checkout import audit
from checkout.models import Hold, Order
from payments.models import Payment, WebhookEvent

# A definite answer; the others leave open whether anything was done.
DONE, REFUSED = "done", "refused"
BUSY, UNKNOWN = "busy", "unknown"
EXPECTED_REFUSALS = frozenset({
    "insufficient_stock", "limit_exceeded", "hold_expired", "hold_released", "hold_already_used", "order_not_pending",
    "order_already_paid", "payment_closed",
})  # fmt: skip
# The header in which a load balancer names the host that answered.
SERVED_BY = "x-served-by"
SETTLED = frozenset({"applied", "ignored", "needs_review", "parked"})


@dataclass(frozen=True)
class Answer:
    """The answer to one request about a hold, an order or an event (named by `kind` and `key`)."""

    kind: str
    key: str
    outcome: str
    code: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    # When it came, by the monotonic clock in seconds, and the host that gave it where a load balancer says so.
    at: float = field(default_factory=time.monotonic)
    host: str = ""
    # How long the request took.
    seconds: float = 0.0


def read(kind: str, key: str, response: httpx.Response | None) -> Answer:
    """Return the outcome of a response; None stands for a lost connection."""
    if response is None:
        return Answer(kind, key, UNKNOWN, "connection_lost")
    if response.content and "json" not in response.headers.get("content-type", ""):
        # A load balancer's own page: the request may have arrived.
        return Answer(kind, key, UNKNOWN, f"status_{response.status_code}")
    return replace(_said(kind, key, response), host=response.headers.get(SERVED_BY, ""))


def _said(kind: str, key: str, response: httpx.Response) -> Answer:
    body = response.json() if response.content else {}
    if kind == "payment" and response.status_code == httpx.codes.ACCEPTED:
        return Answer(kind, key, BUSY, "creating", body)
    if response.is_success:
        return Answer(kind, key, DONE, str(response.status_code), body)
    code = body.get("code", str(response.status_code))
    if code == "busy":
        return Answer(kind, key, BUSY, code, body)
    return Answer(kind, key, UNKNOWN if code == "outcome_unknown" else REFUSED, code, body)


class History:
    """All answers, in the order in which they came."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.answers: list[Answer] = []

    def note(self, answer: Answer) -> None:
        """Record an answer."""
        with self._mutex:
            self.answers.append(answer)

    def outcomes(self) -> Counter[str]:
        """The number of answers for each outcome."""
        return Counter(answer.outcome for answer in self.answers)

    def done(self, kind: str) -> dict[str, list[Answer]]:
        """The successes of a kind, by key."""
        found = defaultdict(list)
        for answer in self.answers:
            if answer.kind == kind and answer.outcome == DONE:
                found[answer.key].append(answer)
        return found

    def refused_for_good(self, kind: str) -> set[str]:
        """The keys that were refused and never granted."""
        refused = {answer.key for answer in self.answers if answer.kind == kind and answer.outcome == REFUSED}
        return refused - set(self.done(kind))


def broken_promises(history: History, products: list[Product]) -> list[str]:
    """Return a sentence for each broken promise; the list is empty when all were kept."""
    return [
        *_surprises(history),
        *(f"drift: {drift}" for drift in audit.find_drift()),
        *_made_once(history, "hold", Hold, "hold_id"),
        *_made_once(history, "order", Order, "order_id"),
        *_paid_stays_paid(history),
        *_events(history),
        *(sentence for product in products for sentence in (*_units(product), *_limits(product))),
    ]


def _surprises(history: History) -> list[str]:
    found = Counter(
        f"{answer.kind} was answered {answer.code}"
        for answer in history.answers
        if answer.outcome == REFUSED and answer.code not in EXPECTED_REFUSALS
    )
    return [f"{sentence}, {count} times" for sentence, count in found.items()]


def _made_once(history: History, kind: str, model: type[Hold] | type[Order], id_name: str) -> list[str]:
    """What was answered with 2xx exists, each key created one row, and refused requests created none."""
    made = defaultdict(set)
    for pk, key in model.objects.exclude(idempotency_key=None).values_list("pk", "idempotency_key"):
        made[key].add(str(pk))
    broken = []
    for key, answers in history.done(kind).items():
        told = {answer.body[id_name] for answer in answers}
        if told != made[key]:
            broken.append(f"{kind} with key {key}: answered {sorted(told)}, stored {sorted(made[key])}")
    return broken + [
        f"{kind} with key {key} was refused and made" for key in history.refused_for_good(kind) if made[key]
    ]


def _paid_stays_paid(history: History) -> list[str]:
    told = {
        answer.body["order_id"]
        for answers in history.done("event").values()
        for answer in answers
        if answer.body.get("order_status") == "paid"
    }
    paid = {str(pk) for pk in Order.objects.filter(status=Order.Status.PAID).values_list("pk", flat=True)}
    return [f"order {order_id} was answered as paid and is not" for order_id in told - paid]


def _events(history: History) -> list[str]:
    """An accepted event is stored and settled, and its money is recorded once."""
    stored = {event.event_id: event for event in WebhookEvent.objects.all()}
    money = Counter(Payment.objects.values_list("payment_id", flat=True))
    broken = []
    for key, answers in history.done("event").items():
        event = stored.get(key)
        if event is None:
            broken.append(f"event {key} was answered {answers[0].code} and is lost")
        elif event.status not in SETTLED:
            broken.append(f"event {key} is {event.status}: {event.last_error}")
        elif event.kind == "success" and event.status in ("applied", "ignored") and money[event.payment_ref] != 1:
            broken.append(f"payment {event.payment_ref} is recorded {money[event.payment_ref]} times")
    return broken


def _units(product: Product) -> list[str]:
    stock = Stock.objects.get(pk=product.pk)
    if stock.reserved + stock.sold > stock.total:
        return [f"oversold: {stock.reserved} reserved and {stock.sold} sold of {stock.total}"]
    return []


def _limits(product: Product) -> list[str]:
    if product.max_per_customer is None:
        return []
    units: Counter[str] = Counter()
    counted = Q(status__in=[Order.Status.PENDING_PAYMENT, Order.Status.PAID])
    holds, orders = product.holds.filter(status=Hold.Status.ACTIVE), product.orders.filter(counted)
    for rows, kept in ((holds, Sum("quantity")), (orders, Sum(F("quantity") - F("restocked_units")))):
        units.update(dict(rows.values_list("customer_id").annotate(units=kept).order_by()))
    return [
        f"{customer} has {count} units, allowed are {product.max_per_customer}"
        for customer, count in units.items()
        if count > product.max_per_customer
    ]
