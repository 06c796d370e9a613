"""Serializers of requests and responses, instantiated once for each class."""

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from rest_framework import serializers


class RequestSerializer(serializers.Serializer[Any]):
    """A request body; one instance validates all of them, because each new one would copy its fields.

    Its fields are validated each for itself: there are no nested ones, no defaults, and no validators of the whole.
    """

    default_error_messages = {"invalid": "The body must be a JSON object."}

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """Return the validated values of `data`. Raises `ValidationError`."""
        serializer = _shared(cls)
        is_object = isinstance(data, dict)
        validated: dict[str, Any] = serializer.to_internal_value(data) if is_object else serializer.run_validation(data)
        return validated

    @functools.cached_property
    def _plain_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The fields: DRF's mapping is written in Python, and takes longer than most of them."""
        return dict(self.fields)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            members: dict[str, Any] = super().to_internal_value(data)
            return members
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, field in self._plain_fields.items():
            if name in data or field.required:
                try:
                    values[str(field.source)] = field.run_validation(data.get(name, serializers.empty))
                except serializers.ValidationError as error:
                    errors[name] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return values


class ClosedRequestSerializer(RequestSerializer):
    """A request body that takes no other members than its fields: a misspelt one must not mean its absence."""

    unknown_message = "There is no such member."

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = data.keys() - self.fields.keys() if isinstance(data, dict) else ()
        if unknown:
            raise serializers.ValidationError(
                {name: [self.unknown_message] for name in sorted(unknown)}, code="unknown"
            )
        members: dict[str, Any] = super().to_internal_value(data)
        return members


class NoMembers(RequestSerializer):
    """The body of a verb that needs none: nothing, or an object."""


class NoMembersClosed(ClosedRequestSerializer):
    """The same where no member is taken that does not exist."""


class ResponseSerializer(serializers.Serializer[Any]):
    """A response body; one instance renders all of them.

    A field's source is a path of attributes, or a method of the serializer: how to read it is decided once.
    """

    @classmethod
    def data_of(cls, instance: Any) -> dict[str, Any]:
        """Return the members of the answer about `instance`."""
        return {
            name: value if (value := read(instance)) is None or render is None else render(value)
            for name, read, render in _members_of(cls)
        }


class _Member(NamedTuple):
    """A member of an answer: how its value is read from an instance, and how it is rendered, if need be."""

    name: str
    read: Callable[[Any], Any]
    render: Callable[[Any], Any] | None


@functools.cache
def _shared(kind: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    return kind()


@functools.cache
def _members_of(kind: type[ResponseSerializer]) -> list[_Member]:
    return [_member(name, field, of=_shared(kind)) for name, field in _shared(kind).fields.items()]


def _member(name: str, field: serializers.Field[Any, Any, Any, Any], *, of: serializers.Serializer[Any]) -> _Member:
    if isinstance(field, serializers.SerializerMethodField):
        return _Member(name, getattr(of, field.method_name), None)
    render = _BUILT_IN.get(type(field).to_representation, field.to_representation)
    return _Member(name, operator.attrgetter(".".join(field.source_attrs)), render)


# What fields of DRF do to a value, without a function of Python for it.
_BUILT_IN: dict[Any, Callable[[Any], Any]] = {
    serializers.CharField.to_representation: str,
    serializers.IntegerField.to_representation: int,
    serializers.FloatField.to_representation: float,
}
