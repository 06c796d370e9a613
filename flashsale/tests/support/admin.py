"""Pages of the admin: their URLs, actions chosen and confirmed, and the messages that they show."""

from django.urls import reverse

from catalog.models import Product, Stock, StockAdjustment
from checkout.models import Hold, Order
from flashsale.outbox.models import Delivery, Endpoint, Event
from payments.models import Dispute, Payment, PaymentAttempt, Refund, WebhookEvent

MODELS = [
    Product, Stock, StockAdjustment, Hold, Order, WebhookEvent, Payment, PaymentAttempt, Refund, Dispute,
    Endpoint, Delivery, Event,
]  # fmt: skip


def admin_url(model, page: str, *args) -> str:
    """Return the URL of a page of the model: `changelist`, `change`, `add`, `delete`."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def decide(client, row, action: str, **given):
    """Choose an action for one row in its list, confirm it, and return the page that follows."""
    fields = {"action": action, "_selected_action": row.pk, "confirmed": "yes"} | given
    return client.post(admin_url(type(row), "changelist"), fields, follow=True)


def messages_of(response) -> list[str]:
    """Return the texts of the messages that the page shows."""
    return [str(message) for message in response.context["messages"]]
