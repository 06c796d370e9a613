"""Bodies of the back office about orders with their money."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checkout.serializers import HoldOut, OrderOut
from flashsale.core import money
from flashsale.core.limits import MAX_ID
from flashsale.core.rest.fields import MONEY, MomentField, StrictAmountField, StrictIntegerField, TrimmedTextField
from flashsale.core.rest.serializers import ClosedRequestSerializer, ResponseSerializer
from payments.models import NOTE_LENGTH, WebhookEvent
from payments.serializers import RecordedPaymentOut


class RefundOrder(ClosedRequestSerializer):
    """What to refund of an order: without `amount` all that is left; 0 to put units back on sale only."""

    amount = StrictAmountField(required=False)
    restock_units = StrictIntegerField(min_value=0, required=False)
    payment = StrictIntegerField(min_value=1, max_value=MAX_ID, required=False)
    note = TrimmedTextField(max_length=NOTE_LENGTH)


class ProviderEventOut(ResponseSerializer):
    """An event of a payment provider that named the order."""

    event_id = serializers.CharField(help_text="The provider's id.")
    provider = serializers.CharField()
    type = serializers.CharField(help_text="The provider's own name for what happened.")
    status = serializers.CharField(help_text="What became of it, as in the answers to webhooks.")
    reason = serializers.CharField(help_text="Why it has this status, in a word.")
    payment_id = serializers.CharField(source="payment_ref", allow_null=True)
    amount = serializers.SerializerMethodField(help_text="Null: it names none.")
    currency = serializers.CharField(help_text="Empty: it names none.")
    received_at = MomentField()
    processed_at = MomentField(allow_null=True)

    @extend_schema_field(MONEY | {"type": ["string", "null"]})
    def get_amount(self, event: WebhookEvent) -> str | None:
        return None if event.amount is None else money.render(event.amount, event.currency)


class HistoryEntryOut(ResponseSerializer):
    """What a member of staff or an API token did."""

    at = MomentField()
    by = serializers.CharField()
    text = serializers.CharField(help_text="What was done, and the note that was left; for people.")


class OrderInFullOut(OrderOut):
    """An order with its hold, its money, and what was done about it; each list is in the order of time."""

    hold = HoldOut()
    payments = RecordedPaymentOut(many=True)
    events = ProviderEventOut(many=True, help_text="The first 100 events that named it, its hold or its payments.")
    history = HistoryEntryOut(many=True, help_text="What staff and API tokens did to it and to its money.")
