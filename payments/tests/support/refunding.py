"""What tests of refunds do and look at."""

from checkout.models import Order
from payments import tasks
from payments.models import Payment, Refund
from payments.tests.factories import let_refund_pass


def run_after_the_wait(*, seconds: float = 100_000) -> None:
    """Let every wait pass, with the default also any idempotency key's day, and give back what is due."""
    for refund in Refund.objects.all():
        let_refund_pass(refund, seconds=seconds)
    tasks.refund_payments()


def state(payment: Payment) -> tuple[str, str, str]:
    payment.refresh_from_db()
    order = Order.objects.get(pk=payment.order_id)
    return payment.status, order.refund, f"{order.refunded_amount.normalize():f}"


def attempts_made() -> list[tuple]:
    return list(Refund.objects.order_by("pk").values_list("attempt", "status", "tries"))
