"""What the back end and staff do with endpoints: each verb is one transaction that locks the endpoint."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from flashsale.core import advisory_locks, clock, webhook_signatures
from flashsale.core.refusals import InvalidRequest, NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.outbox.endpoints import addresses, statuses
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import DESCRIPTION_LENGTH, Endpoint

MAX_ENDPOINTS = 20
# For so long messages are signed with the secrets before the present one, too.
ROTATION_HOURS = 24
MAX_PREVIOUS_SECRETS = 4
LOCK = "outbox.endpoints"


class TooManyEndpoints(Refusal):
    """There are `MAX_ENDPOINTS` endpoints; `limit` says how many that is."""

    code = "too_many_endpoints"
    title = "There are as many endpoints as there can be"


def present() -> QuerySet[Endpoint]:
    """Return the endpoints that were not deleted, the oldest first."""
    return Endpoint.objects.filter(deleted_at=None).order_by("created_at", "pk")


def needing_attention() -> QuerySet[Endpoint]:
    """Return the endpoints that are failing, or were disabled without having been asked for."""
    silent = present().exclude(status=Endpoint.Status.ENABLED)
    return silent.exclude(disabled_reason=Endpoint.DisabledReason.REQUESTED)


def lock(endpoint_id: UUID) -> Endpoint:
    """Lock an endpoint until the transaction ends. Raises `NotFound`."""
    endpoint = Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id, deleted_at=None).first()
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint


@retrying_transaction_once
def create(*, url: str, types: Iterable[str] = (), description: str = "") -> Endpoint:
    """Register an endpoint for events of these types, or of all without any; it gets what happens from now on.

    Its secret is random. Raises `InvalidRequest`, `TooManyEndpoints`.
    """
    endpoint = Endpoint(url=url, types=list(types), description=description)
    insert(endpoint)
    return endpoint


def insert(endpoint: Endpoint) -> None:
    """Do what `create` does, inside a transaction, for an endpoint with its URL, types and description."""
    check(url=endpoint.url, types=endpoint.types, description=endpoint.description)
    lock_for_insertion()
    endpoint.types = sorted(set(endpoint.types))
    endpoint.secret, endpoint.created_at = webhook_signatures.new_secret(), clock.now()
    endpoint.save(force_insert=True)


def lock_for_insertion() -> None:
    """Let no other endpoint be registered until the transaction ends. Raises `TooManyEndpoints`."""
    advisory_locks.lock([LOCK])
    if present().count() >= MAX_ENDPOINTS:
        raise TooManyEndpoints(f"There are {MAX_ENDPOINTS} endpoints: delete one first.", limit=MAX_ENDPOINTS)


@retrying_transaction_once
def change(
    endpoint_id: UUID, *, url: str | None = None, types: Iterable[str] | None = None, description: str | None = None
) -> Endpoint:
    """Change what is given of an endpoint. What it did not get yet goes to the new URL; of other types only new events.

    Raises `NotFound`, `InvalidRequest`.
    """
    check(url=url, types=types or (), description=description or "")
    endpoint = lock(endpoint_id)
    endpoint.url = endpoint.url if url is None else url
    endpoint.description = endpoint.description if description is None else description
    endpoint.types = endpoint.types if types is None else list(types)
    save_edited(endpoint)
    return endpoint


def save_edited(endpoint: Endpoint) -> None:
    """Save the URL, types and description, checked before, of an endpoint that the transaction has locked.

    A failing one is tried at once at a new URL.
    """
    endpoint.types = sorted(set(endpoint.types))
    moved = Endpoint.objects.filter(pk=endpoint.pk).exclude(url=endpoint.url)
    if endpoint.status == Endpoint.Status.FAILING and moved.exists():
        endpoint.next_probe_at = clock.now()
    endpoint.save(update_fields=["url", "description", "types", "next_probe_at"])


@retrying_transaction_once
def rotate_secret(endpoint_id: UUID) -> Endpoint:
    """Give an endpoint a new random secret; for `ROTATION_HOURS` messages are signed with the present one, too.

    So they are with those before it that still sign, at most `MAX_PREVIOUS_SECRETS` in all: a rotation whose answer was
    lost can be repeated. Raises `NotFound`.
    """
    endpoint, now = lock(endpoint_id), clock.now()
    until = endpoint.previous_secrets_until
    earlier = endpoint.previous_secrets if until is not None and until > now else []
    endpoint.previous_secrets = [endpoint.secret, *earlier][:MAX_PREVIOUS_SECRETS]
    endpoint.secret = webhook_signatures.new_secret()
    endpoint.previous_secrets_until = now + timedelta(hours=ROTATION_HOURS)
    endpoint.save(update_fields=["secret", "previous_secrets", "previous_secrets_until"])
    return endpoint


@retrying_transaction_once
def disable(endpoint_id: UUID) -> Endpoint:
    """Send nothing to an endpoint until it is enabled; what happens meanwhile waits. Raises `NotFound`."""
    endpoint = lock(endpoint_id)
    if endpoint.status != Endpoint.Status.DISABLED:
        statuses.disable(endpoint, Endpoint.DisabledReason.REQUESTED)
    return endpoint


@retrying_transaction_once
def delete(endpoint_id: UUID) -> Endpoint:
    """Delete an endpoint with its secrets; its deliveries are purged later. Raises `NotFound`."""
    endpoint = lock(endpoint_id)
    endpoint.secret, endpoint.previous_secrets = "", []
    endpoint.previous_secrets_until, endpoint.deleted_at = None, clock.now()
    endpoint.save(update_fields=["secret", "previous_secrets", "previous_secrets_until", "deleted_at"])
    return endpoint


def check(*, url: str | None = None, types: Iterable[str] = (), description: str = "") -> None:
    """Raise `InvalidRequest` for values that an endpoint cannot have."""
    if url is not None:
        _check_url(url)
    if unknown := sorted(set(types) - set(EventType.values)):
        raise _invalid("types", f"There are no events of this type: {unknown[0]}", "invalid_choice")
    if len(description) > DESCRIPTION_LENGTH:
        raise _invalid("description", f"At most {DESCRIPTION_LENGTH} characters.", "max_length")


def _check_url(url: str) -> None:
    """Refuse early what no connection would be made to; names are looked up only when something is sent."""
    try:
        target = addresses.parse(url)
    except addresses.BadUrl as error:
        raise _invalid("url", str(error), "invalid_url") from None
    if not target.is_secure and not settings.LOCAL_MODE:
        raise _invalid("url", "A URL begins with https://.", "not_https")
    address = addresses.literal(target.host)
    if address is not None and not addresses.is_allowed(address):
        detail = "This address is neither public nor in OUTGOING_ALLOWED_NETWORKS."
        raise _invalid("url", detail, "address_not_allowed")


def _invalid(member: str, detail: str, error_code: str) -> InvalidRequest:
    return InvalidRequest(detail, pointer=f"#/{member}", error_code=error_code)
