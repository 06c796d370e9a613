"""`manage.py payments_due`: lists the payments that are due for refund."""

from typing import Any

from django.core.management.base import BaseCommand

from flashsale.core import money
from payments.models import Payment


class Command(BaseCommand):
    help = "List the payments that are due for refund, longest waiting first, separated by tabs."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\t".join(("payment_id", "order_id", "amount", "currency", "since")))
        due = Payment.objects.filter(status=Payment.Status.REFUND_DUE).order_by("created_at")
        for payment in due.iterator():
            rest = money.render(payment.amount - payment.refunded_amount, payment.currency)
            since = payment.created_at.isoformat(timespec="seconds")
            self.stdout.write(
                "\t".join((payment.payment_id, str(payment.order_id or "-"), rest, payment.currency, since))
            )
