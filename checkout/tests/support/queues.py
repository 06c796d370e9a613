"""Products with a queue for tests, and time made to pass for them."""

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from catalog.models import Product
from catalog.queue_columns import Queue as Switch
from catalog.tests.factories import ProductFactory
from checkout.waiting_room import moving, tickets
from checkout.waiting_room.counts import counter
from checkout.waiting_room.models import LateTickets, Queue, ServedPlace
from checkout.waiting_room.queues import copies

HOUR = timedelta(hours=1)


def queued_product(*, starts_in: timedelta = HOUR, opened_before: timedelta = 2 * HOUR, **columns) -> Product:
    """Return a published product with a queue, which opened `opened_before` the start."""
    starts_at = timezone.now() + starts_in
    return ProductFactory(
        queue=Switch.ON, sale_starts_at=starts_at, queue_opens_at=starts_at - opened_before, **columns
    )


def change(product: Product, **columns) -> None:
    """Change a product as staff do, and let this process read its queue again."""
    Product.objects.filter(pk=product.pk).update(**columns)
    copies.reset()


def join(api, product, ticket: str | None = None, **members):
    """Ask for a ticket, or for the place of one; returns the response."""
    headers = {"Queue-Ticket": ticket} if ticket else {}
    return api.post(f"/api/v1/products/{product.pk}/queue", members, headers=headers)


def ticket_minted(product, *, seconds_ago: float, customer_id: str = "") -> str:
    """Return a ticket that was minted some time ago, before the draw if that was later."""
    now = timezone.now() - timedelta(seconds=seconds_ago)
    is_drawn = Queue.objects.filter(pk=product.pk, drawn_at__lte=now).exists()
    return tickets.signed(tickets.mint(product_id=product.pk, customer_id=customer_id, is_drawn=is_drawn, now=now))


def queue_of(api, product) -> dict:
    """Return what the queue's page says."""
    return api.get(f"/api/v1/products/{product.pk}/queue").json()


def hold_with(api, product, ticket: str | None, *, headers: dict | None = None, **members):
    """Ask for a hold of one unit with a ticket; returns the response."""
    own = {"Queue-Ticket": ticket} if ticket else {}
    body = {"product_id": product.pk, "quantity": 1, **members}
    return api.post("/api/v1/holds", body, headers=own | (headers or {}))


def start_sale(product: Product) -> None:
    """Let the sale start now, and its queue be drawn."""
    counter.store()
    started = timezone.now() - timedelta(seconds=0.01)
    Product.objects.filter(pk=product.pk).update(sale_starts_at=started, queue_opens_at=started - HOUR)
    copies.reset()
    moving.move(product.pk)


def let_queue_pass(product: Product, *, seconds: float) -> None:
    """Move the queue into the past by `seconds` of serving, and move it on as of now."""
    counter.store()
    past = timedelta(seconds=seconds)
    own = Queue.objects.filter(pk=product.pk)
    own.update(drawn_at=F("drawn_at") - past, moved_at=F("moved_at") - past, turns_at=F("turns_at") - past)
    LateTickets.objects.filter(product=product).update(began_at=F("began_at") - past)
    copies.reset()
    moving.move(product.pk)
    copies.reset()


def serve_up_to(product: Product, place: float) -> None:
    """Let the queue serve this place, and stand still there."""
    now = timezone.now()
    own = Queue.objects.filter(pk=product.pk)
    own.update(moved_at=now, turns_at=now + HOUR, serving=place, rate=0, next_rate=0)
    copies.reset()


def served_for(product: Product, *, seconds: float) -> None:
    """Let so much time of admission pass, in which nothing more was served."""
    own = Queue.objects.get(pk=product.pk)
    ServedPlace.objects.create(product=product, served_seconds=own.served_seconds, serving=own.serving)
    Queue.objects.filter(pk=product.pk).update(served_seconds=own.served_seconds + seconds)
    copies.reset()
