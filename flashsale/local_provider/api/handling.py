"""The path of a request: key, rate limit, faults, idempotency key, execution."""

import base64
import binascii
import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from flashsale.local_provider.api import parameters, routes
from flashsale.local_provider.api.errors import ApiError, invalid, unauthorized
from flashsale.local_provider.behaviour.faults import Fault
from flashsale.local_provider.behaviour.idempotency import MAX_KEY_LENGTH, fingerprint_of
from flashsale.local_provider.provider import Provider, Received, Request

# What a request without any fault gets.
FAULTLESS = Fault(executes=True)
# How long a single request hangs that a fault was planned for.
HANG_SECONDS = 60


class Disconnected(Exception):
    """The connection is to be closed without an answer."""


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: dict
    headers: dict[str, str] = field(default_factory=dict)


def handle(provider: Provider, request: Request) -> Answer:
    """Answer a request to the API. Raises `Disconnected` when a fault wants no answer."""
    try:
        route, request = routes.find(request)
        with provider.lock:
            provider.received.append(Received(route.name, request.path, request.key, dict(request.fields)))
        request = replace(request, is_publishable=_is_publishable(provider, route, request))
        provider.rate_limiter.check(route.name)
        with provider.lock:
            fault = provider.habits.fault_for(route.name)
        answer = _answer_with(provider, route, request, fault or FAULTLESS)
    except ApiError as error:
        answer = Answer(error.http_status, error.body)
    keyed = {"Idempotency-Key": request.key} if request.key else {}
    return replace(answer, headers=answer.headers | {"Request-Id": request.request_id} | keyed)


def _is_publishable(provider: Provider, route: routes.Route, request: Request) -> bool:
    """Say whether the key is the publishable one; raises `ApiError` for a key that may not use the endpoint."""
    key = _key_in(request)
    if key and secrets.compare_digest(key.encode(), provider.keys.secret.encode()):
        return False
    if not key or not secrets.compare_digest(key.encode(), provider.keys.publishable.encode()):
        raise unauthorized(f"Invalid API Key provided: {key[:8]}***" if key else "You did not provide an API key.")
    if not route.is_public:
        raise unauthorized("This API call cannot be made with a publishable API key.")
    return True


def _key_in(request: Request) -> str:
    scheme, _, value = request.authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            return base64.b64decode(value).decode().partition(":")[0]
    return str(request.params.get("key") or "")


def _answer_with(provider: Provider, route: routes.Route, request: Request, fault: Fault) -> Answer:
    if fault.hangs:
        provider.wait(provider.habits.hang_seconds or HANG_SECONDS)
        raise Disconnected
    if fault is FAULTLESS:
        return _keyed(provider, route, request, fault)
    if fault.executes or fault.is_saved:
        answer = _keyed(provider, route, request, FAULTLESS if fault.is_between else fault)
        if fault.status is not None and not fault.is_between:
            return answer
    if fault.status is None:
        raise Disconnected
    return Answer(fault.status, fault.body or {})


def _keyed(provider: Provider, route: routes.Route, request: Request, fault: Fault) -> Answer:
    """Return the first answer of the request's key, else execute it while the key is in use. Raises `ApiError`."""
    if request.method != "POST" or not request.key:
        answer = _execute(provider, route, request, fault)
        _delay(provider, route)
        return answer
    if len(request.key) > MAX_KEY_LENGTH:
        raise invalid(f"Idempotency keys have at most {MAX_KEY_LENGTH} characters.", param="Idempotency-Key")
    fingerprint = fingerprint_of(request.method, request.path, request.fields)
    with provider.lock:
        saved = provider.idempotency.find(request.key, fingerprint, now=provider.now())
        if saved is not None:
            return Answer(*saved, {"Idempotent-Replayed": "true"})
        provider.idempotency.begin(request.key)
    with _in_use(provider, request.key):
        answer = _execute(provider, route, request, fault, fingerprint=fingerprint)
        _delay(provider, route)
    return answer


@contextlib.contextmanager
def _in_use(provider: Provider, key: str) -> Iterator[None]:
    try:
        yield
    finally:
        with provider.lock:
            provider.idempotency.end(key)


def _delay(provider: Provider, route: routes.Route) -> None:
    if provider.habits.delay_seconds and provider.habits.applies_to(route.name):
        provider.wait(provider.habits.delay_seconds)


def _execute(
    provider: Provider, route: routes.Route, request: Request, fault: Fault, *, fingerprint: str = ""
) -> Answer:
    """Carry the request out and keep its answer, in one change of the journal."""
    with provider.lock:
        is_saved = True
        answer = Answer(fault.status or 200, fault.body or {})
        if fault.executes:
            try:
                parameters.check_names(request.params, route.parameters)
                done = Answer(200, route.answer(provider, request))
            except ApiError as error:
                done, is_saved = Answer(error.http_status, error.body), error.is_saved
            # A refusal comes before a fault of the server could.
            answer = answer if fault.status and done.status == 200 else done
        if fingerprint and is_saved:
            key, now = request.key, provider.now()
            provider.idempotency.save(key, fingerprint, answer.status, answer.body, now=now)
        provider.commit()
    return answer
