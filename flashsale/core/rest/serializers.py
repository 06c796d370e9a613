"""Serializers of requests and responses, instantiated once for each class."""

import functools
from typing import Any

from rest_framework import serializers


class RequestSerializer(serializers.Serializer[Any]):
    """A request body; one instance validates all of them, because each new one would copy its fields."""

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """Return the validated values of `data`. Raises `ValidationError`."""
        validated: dict[str, Any] = _shared(cls).run_validation(data)
        return validated


class ResponseSerializer(serializers.Serializer[Any]):
    """A response body; one instance renders all of them."""

    @classmethod
    def data_of(cls, instance: Any) -> dict[str, Any]:
        """Return the members of the answer about `instance`."""
        return _shared(cls).to_representation(instance)


@functools.cache
def _shared(kind: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    return kind()
