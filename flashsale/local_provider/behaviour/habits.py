"""Bad habits that people and tests switch on: late webhooks, errors, hanging, cancellations that come too late."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from flashsale.local_provider.behaviour.faults import FAULTS, Fault

MAX_SECONDS = 24 * 3600
MAX_NEXT_FAULTS = 1000
CHOICES = {
    "webhooks": ("on_time", "never", "late", "twice", "reordered"),
    "cancel": ("as_asked", "too_late"),
    "refunds": ("succeeded", "pending", "requires_action", "failed"),
}
BOUNDS = {
    "webhook_delay_seconds": (0, MAX_SECONDS),
    "delay_seconds": (0, MAX_SECONDS),
    "hang_seconds": (0, MAX_SECONDS),
    "clock_offset_seconds": (-MAX_SECONDS, MAX_SECONDS),
}


class UnknownHabit(Exception):
    """The habits cannot be read; the message is for people."""


@dataclass(frozen=True)
class NextFault:
    """A fault for one request: the next one to an endpoint such as `POST /v1/refunds`, or to any when it is empty."""

    fault: Fault
    name: str
    endpoint: str = ""


@dataclass
class Habits:
    """How the provider behaves; the defaults are good behaviour.

    `delay_seconds`: answers come so late, after the request was carried out. `hang_seconds`: requests are not carried
    out, and their connections are closed after so long. `errors` maps names of `FAULTS` to probabilities from 0 to 1.
    `next` are faults of single requests, in order. `only` restricts delays, hanging and errors to these endpoints.
    `processing`: confirmed payments stay in that status. `webhook_api_version` renders webhooks in that API version.
    """

    webhooks: str = "on_time"
    webhook_delay_seconds: float = 5
    webhook_api_version: str = ""
    delay_seconds: float = 0
    hang_seconds: float = 0
    errors: dict[str, float] = field(default_factory=dict)
    next: list[NextFault] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    cancel: str = "as_asked"
    processing: bool = False
    refunds: str = "succeeded"
    clock_offset_seconds: float = 0

    def applies_to(self, endpoint: str) -> bool:
        """Say whether delays, hanging and errors are meant for an endpoint such as `POST /v1/refunds`."""
        return not self.only or endpoint in self.only

    def fault_for(self, endpoint: str) -> Fault | None:
        """Return the fault of a request to this endpoint, if any; a fault of a single request is used up."""
        for planned in self.next:
            if planned.endpoint in ("", endpoint):
                self.next.remove(planned)
                return planned.fault
        if not self.applies_to(endpoint):
            return None
        if self.hang_seconds:
            return FAULTS["hang"]
        drawn = random.random()
        for name, probability in self.errors.items():
            if drawn < probability:
                return FAULTS[name]
            drawn -= probability
        return None

    def as_json(self) -> dict[str, Any]:
        """Return the habits as `parse` reads them."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        planned = [{"fault": one.name, "endpoint": one.endpoint} for one in self.next]
        return values | {"next": planned}


def parse(values: Mapping[str, Any]) -> Habits:
    """Return the habits of a JSON object; what it does not name is good behaviour. Raises `UnknownHabit`."""
    names = {one.name for one in fields(Habits)}
    for name in values:
        if name not in names:
            raise UnknownHabit(f"Unknown habit: {name}. There are {', '.join(sorted(names))}.")
    return Habits(**{name: _checked(name, value) for name, value in values.items()})


def _checked(name: str, value: Any) -> Any:
    if name in CHOICES:
        return _one_of(name, value)
    if name in BOUNDS:
        return _number(name, value)
    return {
        "errors": _errors,
        "next": _next_faults,
        "only": _endpoints,
        "processing": _flag,
        "webhook_api_version": _version,
    }[name](value)


def _one_of(name: str, value: Any) -> str:
    if value not in CHOICES[name]:
        raise UnknownHabit(f"{name} must be one of {', '.join(CHOICES[name])}.")
    return value


def _number(name: str, value: Any) -> float:
    least, most = BOUNDS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise UnknownHabit(f"{name} must be a number from {least} to {most}.")
    return value


def _errors(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not set(value) <= set(FAULTS):
        raise UnknownHabit(f"errors must map some of {', '.join(FAULTS)} to probabilities.")
    for probability in value.values():
        if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0 <= probability <= 1:
            raise UnknownHabit("A probability must be a number from 0 to 1.")
    return dict(value)


def _next_faults(value: Any) -> list[NextFault]:
    if not isinstance(value, list) or len(value) > MAX_NEXT_FAULTS:
        raise UnknownHabit(f"next must be a list of at most {MAX_NEXT_FAULTS} faults.")
    planned = [one if isinstance(one, dict) else {"fault": one} for one in value]
    for one in planned:
        if not set(one) <= {"fault", "endpoint"} or str(one.get("fault")) not in FAULTS:
            raise UnknownHabit(f"A fault must be one of {', '.join(FAULTS)}, with an endpoint or without.")
        _endpoints([one.get("endpoint", "")])
    return [NextFault(FAULTS[str(one["fault"])], str(one["fault"]), one.get("endpoint", "")) for one in planned]


def _endpoints(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UnknownHabit("only must be a list of endpoints such as POST /v1/refunds.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnknownHabit("processing must be true or false.")
    return value


def _version(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 64:
        raise UnknownHabit("webhook_api_version must be an API version such as 2022-08-01.")
    return value
