"""What events tell of: each app registers its resources when it is ready.

The domain stores a row as it is; how it is shown to readers, as its GET answers, is decided by the code above the
domain, when the event is numbered.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    DecimalField,
    Field,
    ForeignKey,
    IntegerField,
    Model,
    QuerySet,
    TextField,
    UUIDField,
)

from flashsale.core import rows

Instance = TypeVar("Instance", bound=Model)

# Fields of text, numbers and truth: PostgreSQL writes their values in JSON as Python has them.
_AS_IN_JSON = (CharField, TextField, IntegerField, BooleanField)
# Django's own parsers read more than PostgreSQL writes, and take several times as long.
_PARSERS: dict[type, Callable[[Any], Any]] = {
    DateTimeField: datetime.fromisoformat, DecimalField: Decimal, UUIDField: UUID,
}  # fmt: skip
_DECODER = json.JSONDecoder(parse_float=Decimal)


@dataclass(frozen=True)
class Snapshot:
    """A row as of the commit of its change: its columns by name, as PostgreSQL writes them in JSON."""

    columns: dict[str, Any]

    @classmethod
    def of(cls, text: str) -> "Snapshot":
        """Return the snapshot in a JSON text; numbers are read without loss."""
        return cls(_DECODER.decode(text))

    def instance(self, model: type[Instance]) -> Instance:
        """Return its columns as an instance of a model; columns that the model lacks are ignored."""
        columns = self.columns
        values = {
            attribute: value if (value := columns[column]) is None or parse is None else parse(value)
            for column, attribute, parse in _columns_of(model)
            if column in columns
        }
        return rows.loaded(model, values)

    def moment(self, column: str) -> datetime:
        """Return a column with a time."""
        return datetime.fromisoformat(self.columns[column])


@dataclass(frozen=True)
class Resource:
    """A kind of row that events tell of.

    `rows` is a query of its rows with all that `data_of` needs, annotations included; its columns have different names.
    `data_of` makes of a snapshot what the resource's GET answers.
    """

    name: str
    rows: Callable[[], QuerySet[Any]]
    data_of: Callable[[Snapshot], dict[str, Any]]


@functools.cache
def _columns_of(model: type[Model]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    """Return each column with its attribute, and what makes its value of JSON's; None where that is the same."""
    return [(str(field.column), field.attname, _parser_of(field)) for field in model._meta.concrete_fields]


def _parser_of(field: "Field[Any, Any]") -> Callable[[Any], Any] | None:
    value_field = field.target_field if isinstance(field, ForeignKey) else field
    if isinstance(value_field, _AS_IN_JSON):
        return None
    return next((parse for kind, parse in _PARSERS.items() if isinstance(value_field, kind)), field.to_python)


_registered: dict[str, Resource] = {}


def register(resource: Resource) -> None:
    """Let events tell of this resource."""
    _registered[resource.name] = resource


def get(name: str) -> Resource:
    """Return the resource with this name. Raises `KeyError`."""
    return _registered[name]
