"""Fields that accept a value of exactly their JSON type, and how answers show moments."""

import re
import uuid
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import get_error_detail

from flashsale.core import moments, money
from flashsale.core.identifiers import parse_uuid
from flashsale.core.limits import MAX_INTEGER

# How the OpenAPI document describes an amount.
MONEY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "examples": ["29.99"]}


class StrictIntegerField(serializers.Field[int, Any, int, Any]):
    """A JSON integer: no text, no boolean, no fraction (not even 2.0), within `min_value` and `max_value`."""

    default_error_messages = {
        "not_an_integer": "This must be an integer.",
        "too_small": "This must be at least {limit}.",
        "too_large": "This must be at most {limit}.",
    }

    def __init__(self, *, min_value: int, max_value: int = MAX_INTEGER, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_value = min_value
        self.max_value = max_value

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("not_an_integer")
        if data < self.min_value:
            self.fail("too_small", limit=self.min_value)
        if data > self.max_value:
            self.fail("too_large", limit=self.max_value)
        return data

    def to_representation(self, value: int) -> int:
        return value


class StrictTextField(serializers.Field[str, Any, str, Any]):
    """A JSON string of 1 to `max_length` characters; white space is kept."""

    default_error_messages = {
        "not_text": "This must be a string.",
        "blank": "This must not be empty.",
        "too_long": "This must have at most {limit} characters.",
    }

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        if not data:
            self.fail("blank")
        if len(data) > self.max_length:
            self.fail("too_long", limit=self.max_length)
        return data

    def to_representation(self, value: str) -> str:
        return value


class StrictTextMapField(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """A JSON object of texts: at most `max_members`, with names of 1 to `max_name_length` characters.

    A text has at most `max_text_length` characters and may be empty. A fault of a text names its member.
    """

    default_error_messages = {
        "not_an_object": "This must be an object.",
        "too_many": "This must have at most {limit} members.",
        "name_length": "The name of a member must have 1 to {limit} characters.",
    }
    text_error_messages = {
        "not_text": "This must be a string.",
        "too_long": "This must have at most {limit} characters.",
    }

    def __init__(self, *, max_members: int, max_name_length: int, max_text_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_members, self.max_name_length, self.max_text_length = max_members, max_name_length, max_text_length

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        if len(data) > self.max_members:
            self.fail("too_many", limit=self.max_members)
        if not all(1 <= len(name) <= self.max_name_length for name in data):
            self.fail("name_length", limit=self.max_name_length)
        if faults := {name: fault for name, text in data.items() if (fault := self._fault_of(text))}:
            raise serializers.ValidationError(faults)
        return data

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return value

    def _fault_of(self, text: Any) -> list[ErrorDetail]:
        """Return what is wrong with the text of a member; empty where nothing is."""
        is_text = isinstance(text, str)
        if is_text and len(text) <= self.max_text_length:
            return []
        code = "too_long" if is_text else "not_text"
        return [ErrorDetail(self.text_error_messages[code].format(limit=self.max_text_length), code)]


class TrimmedTextField(StrictTextField):
    """Text of one meaning, as a form of the admin takes it: without the white space around it.

    With `allow_blank` it may be empty.
    """

    def __init__(self, *, max_length: int, allow_blank: bool = False, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        self.allow_blank = allow_blank

    def to_internal_value(self, data: Any) -> str:
        text = data.strip() if isinstance(data, str) else data
        return "" if text == "" and self.allow_blank else super().to_internal_value(text)


class StrictAmountField(serializers.Field[Decimal, Any, str, Any]):
    """An amount as a decimal string, such as "29.99"."""

    default_error_messages = {"not_an_amount": 'This must be a decimal string such as "29.99".'}
    _amount = re.compile(r"[0-9]{1,21}(\.[0-9]{1,3})?", re.ASCII)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str) or not self._amount.fullmatch(data):
            self.fail("not_an_amount")
        # Equal amounts, however they are written, make equal requests.
        return Decimal(data).quantize(Decimal(1).scaleb(-money.DECIMAL_PLACES))


class StrictMomentField(serializers.Field[datetime, Any, str, Any]):
    """A time in ISO 8601 with its offset, such as 2026-11-20T12:00:00Z."""

    default_error_messages = {"not_a_time": "This must be a time in ISO 8601 with an offset."}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = moments.parse(data) if isinstance(data, str) else None
        except ValidationError as error:
            raise serializers.ValidationError(get_error_detail(error)) from error
        parsed = None if moment is None else parse_datetime(data)
        if moment is None or parsed is None or parsed.tzinfo is None:
            self.fail("not_a_time")
        return moment.astimezone(UTC)


class StrictUUIDField(serializers.Field[uuid.UUID, Any, str, Any]):
    """A UUID as text in its canonical form."""

    default_error_messages = {"not_a_uuid": "This must be a UUID."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        value = parse_uuid(data) if isinstance(data, str) else None
        if value is None:
            self.fail("not_a_uuid")
        return value

    def to_representation(self, value: uuid.UUID) -> str:
        return str(value)


class MomentField(serializers.DateTimeField):
    """A moment in the shop's `TIME_ZONE`; the API does not look for another one that a thread has activated."""

    def default_timezone(self) -> tzinfo:
        return timezone.get_default_timezone()

    def to_representation(self, value: datetime) -> str:
        text = value.astimezone(timezone.get_default_timezone()).isoformat()
        return f"{text[:-6]}Z" if text.endswith("+00:00") else text
