"""What was taken and given back in a product's sale so far. Registered with `catalog.sale_figures`."""

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Case, F, Q, Sum, When

from catalog.availability import ProductView
from catalog.sale_figures import Figure
from flashsale.core import money
from payments import refunds
from payments.models import Payment

ZERO = Decimal(0)


def of_payments(view: ProductView) -> Iterator[Figure]:
    """Yield, for each currency, what was taken for orders, what of it was given back, and what of other payments."""
    of_product = Payment.objects.filter(order__product=view.product).order_by()
    # Nearly all are applied: what brought the others is read only where it matters.
    applied = of_product.filter(status=Payment.Status.APPLIED)
    is_own = Q(event__reason=refunds.BOUGHT)
    rest = of_product.exclude(status=Payment.Status.APPLIED).values("currency").annotate(
        taken=Sum(Case(When(is_own, then=F("amount")), default=ZERO)),
        back=Sum(Case(When(is_own, then=F("refunded_amount")), default=ZERO)),
        other=Sum(Case(When(is_own, then=ZERO), default=F("refunded_amount"))),
    )  # fmt: skip
    sums: dict[str, list[Decimal]] = {}
    for row in applied.values("currency").annotate(taken=Sum("amount"), back=Sum("refunded_amount")):
        sums[row["currency"]] = [row["taken"], row["back"], ZERO]
    for row in rest:
        before = sums.get(row["currency"], [ZERO, ZERO, ZERO])
        found = (row["taken"], row["back"], row["other"])
        sums[row["currency"]] = [old + new for old, new in zip(before, found, strict=True)]
    for currency, (taken, back, other) in sorted(sums.items()):
        if taken or other:
            yield Figure("Revenue", _revenue(taken, back, other, currency))


def _revenue(taken: Decimal, back: Decimal, other: Decimal, currency: str) -> str:
    parts = [
        f"{money.written(taken, currency)} taken",
        f"{money.written(back, currency)} of it refunded" if back else "",
        f"{money.written(other, currency)} of other payments given back" if other else "",
    ]
    return ", ".join(part for part in parts if part)
