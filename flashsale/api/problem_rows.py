"""What a row of the table of problem codes (`problem_codes`) holds."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from flashsale.core import refusals


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member that a problem document has beside those of RFC 9457, section 3.1."""

    name: str
    kind: Callable[..., serializers.Field]
    meaning: str
    example: Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What one code means.

    `refusal` is the class that raises it, None where the framework, the web server or the database does.
    """

    code: str
    title: str
    status: HTTPStatus
    meaning: str
    advice: str
    members: tuple[Member, ...] = ()
    refusal: type[refusals.Refusal] | None = None


def of_refusal(refusal: type[refusals.Refusal], status: HTTPStatus, meaning: str, advice: str, **more: Any) -> Problem:
    """Return the row of a refusal."""
    return Problem(
        code=refusal.code, title=refusal.title, status=status, meaning=meaning, advice=advice, refusal=refusal, **more
    )


def member(name: str, kind: Callable[..., serializers.Field], meaning: str, example: Any) -> tuple[Member]:
    """Return the only extra member of a problem."""
    return (Member(name=name, kind=kind, meaning=meaning, example=example),)
