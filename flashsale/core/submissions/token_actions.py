"""What API tokens did to rows, in the transaction that did it; read with the log of the admin (`staff_log`)."""

from django.db.models import Model

from flashsale.core import acting, clock
from flashsale.core.submissions.models import TokenAction


def record(row: Model, text: str) -> None:
    """Record, inside the transaction that changes a row, what the acting API token did to it."""
    TokenAction.objects.create(
        model=row._meta.label_lower, row_id=str(row.pk), token_name=acting.token_name(), text=text, made_at=clock.now()
    )


def newest_about(row: Model, *, limit: int) -> list[TokenAction]:
    """Return the newest of what tokens did to a row, at most `limit`."""
    about = TokenAction.objects.filter(model=row._meta.label_lower, row_id=str(row.pk))
    return list(about.order_by("-pk")[:limit])
