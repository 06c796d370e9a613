"""Serializers of requests and answers, made once for each class."""

import functools
from typing import Any

from rest_framework import serializers


class RequestSerializer(serializers.Serializer):
    """What callers send; one instance checks every body, because making one copies its fields, which costs more."""

    @classmethod
    def validated(cls, data: Any) -> dict[str, Any]:
        """Return what `data` says, validated. Raises `ValidationError`."""
        return _shared(cls).run_validation(data)


class ResponseSerializer(serializers.Serializer):
    """What callers are told; one instance renders every answer."""

    @classmethod
    def data_of(cls, instance: Any) -> dict[str, Any]:
        """Return the members of the answer about `instance`."""
        return _shared(cls).to_representation(instance)


@functools.cache
def _shared(kind: type[serializers.Serializer]) -> serializers.Serializer:
    return kind()
