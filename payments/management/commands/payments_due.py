"""`manage.py payments_due`: lists the payments that are due for refund."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db.models.functions import Coalesce

from flashsale.core import money
from payments import payment_records


class Command(BaseCommand):
    help = "List the payments that are due for refund, longest waiting first, separated by tabs."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\t".join(("payment_id", "order_id", "amount", "currency", "since")))
        due = payment_records.due().order_by(Coalesce("due_since", "created_at"))
        for payment in due.iterator():
            amount = money.render(payment.amount_due, payment.currency)
            since = payment.refund_due_since.isoformat(timespec="seconds")
            self.stdout.write(
                "\t".join((payment.payment_id, str(payment.order_id or "-"), amount, payment.currency, since))
            )
