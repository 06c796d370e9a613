"""What of a provider's account is this shop's: what carries its `SHOP_ID`, and what is about its payments."""

from collections.abc import Collection, Iterable

from django.conf import settings
from django.db.models import Q, QuerySet

from payments.models import PaymentAttempt
from payments.providers.base import Message
from payments.providers.payment_client import PaymentObject


def made_here(subject: Message | PaymentObject) -> bool:
    """Say whether an object, or what an event is about, carries this shop's id."""
    return subject.shop_id == settings.SHOP_ID


def may_be_about_ours(message: Message) -> bool:
    """Say whether an event may be about a payment of this shop, which its payment's id decides."""
    return made_here(message) or (not message.shop_id and message.payment_id is not None)


def our_payments(provider: str, payment_ids: Iterable[str]) -> set[str]:
    """Return those of the ids that are payments which this shop made."""
    ids = set(payment_ids)
    found = attempts(provider, ids).values_list("payment_id", "object_id") if ids else []
    return ids & {one for pair in found for one in pair if one is not None}


def attempts(provider: str, payment_ids: Collection[str]) -> QuerySet[PaymentAttempt]:
    """Return this shop's attempts with these payments' ids."""
    of_payments = Q(payment_id__in=payment_ids) | Q(object_id__in=payment_ids)
    return PaymentAttempt.objects.filter(of_payments, provider=provider, shop_id=settings.SHOP_ID)
