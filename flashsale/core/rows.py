"""Rows of a model, locked by their ids or inserted, by SQL that is made once.

Django compiles a query each time it is used, which takes several times as long as PostgreSQL takes to run it.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import JSONField, Model
from django.db.models.base import ModelState

from flashsale.core.statements import Query, Row, Statement

Instance = TypeVar("Instance", bound=Model)

LOCK = "FOR NO KEY UPDATE"
SKIP_LOCKED = " SKIP LOCKED"


def locking_query(
    model: type[Instance],
    condition: str,
    params: Sequence[Any],
    *,
    deferred: tuple[str, ...] = (),
    skips_locked: bool = False,
) -> Query[dict[Any, Instance]]:
    """Lock the rows that meet an SQL condition, in ascending id, until the transaction ends; the result is by id.

    `deferred` names fields that are read only when they are used, as by `QuerySet.defer`. With `skips_locked`, rows
    that another transaction has locked are left out, and the query does not wait.
    """
    lock = LOCK + SKIP_LOCKED if skips_locked else LOCK
    sql = f"{_selection(model, deferred)} WHERE {condition} ORDER BY {_key(model)} {lock}"
    return Query(
        [Statement(sql, params)], lambda results: {instance.pk: instance for instance in instances(model, results[0])}
    )


def reading_query(model: type[Instance], condition: str, params: Sequence[Any]) -> Query[list[Instance]]:
    """Read the rows that meet an SQL condition, in ascending id."""
    sql = f"{_selection(model, ())} WHERE {condition} ORDER BY {_key(model)}"
    return Query([Statement(sql, params)], lambda results: instances(model, results[0]))


def instances(model: type[Instance], rows: Iterable[Row]) -> list[Instance]:
    """Return rows as instances of a model; columns that are no fields are ignored, absent ones are deferred fields."""
    found: list[Instance] = []
    for row in rows:
        values = {attribute: row[column] for column, attribute in _columns(model).items() if column in row}
        for attribute in _json_attributes(model) & values.keys():
            # Django's connections read jsonb as text.
            values[attribute] = json.loads(values[attribute])
        found.append(loaded(model, values))
    return found


def loaded(model: type[Instance], values: Mapping[str, Any]) -> Instance:
    """Return a stored row as `Model.from_db` does, from its values by attribute; absent ones are deferred fields.

    Django's `__init__` is not called: it looks at each field, and sends signals, for which nothing here waits.
    """
    if model.__init__ is not Model.__init__:
        return model.from_db(connection.alias, list(values), list(values.values()))
    instance = new(model, values)
    instance._state.adding, instance._state.db = False, connection.alias
    return instance


def new(model: type[Instance], values: Mapping[str, Any]) -> Instance:
    """Return a new instance of a model without `__init__` of its own, from the values of all fields that are needed.

    The others are deferred fields: no default is looked up.
    """
    instance = model.__new__(model)
    instance._state = ModelState()
    vars(instance).update(values)
    return instance


def insertion(new: Sequence[Model]) -> Statement:
    """Return one INSERT of new instances of one model. The database generates primary keys that are None.

    Values are sent as one JSON document: an array for each column costs psycopg half as much again.
    """
    sql, columns = _insertion(type(new[0]), with_keys=new[0].pk is not None)
    rows = [{column: getattr(instance, attribute) for column, attribute in columns.items()} for instance in new]
    return Statement(sql, [json.dumps(rows, default=_text_of)])


def update(stored: Sequence[Model], attributes: Sequence[str]) -> Statement:
    """Return one UPDATE of these attributes of stored instances of one model, by their ids.

    The caller has locked their rows: they are written in no particular order. Values are sent as for `insertion`.
    """
    sql, columns = _update(type(stored[0]), tuple(attributes))
    rows = [{column: getattr(instance, attribute) for column, attribute in columns.items()} for instance in stored]
    return Statement(sql, [json.dumps(rows, default=_text_of)])


@functools.cache
def _columns(model: type[Model]) -> dict[str, str]:
    """Return the columns of a model's table, each with the attribute that has its value."""
    return {str(field.column): field.attname for field in model._meta.concrete_fields}


@functools.cache
def _json_attributes(model: type[Model]) -> frozenset[str]:
    """Return the attributes of a model whose columns are jsonb, none of which may be null."""
    return frozenset(field.attname for field in model._meta.concrete_fields if isinstance(field, JSONField))


@functools.cache
def _selection(model: type[Model], deferred: tuple[str, ...]) -> str:
    columns = ", ".join(column for column, attribute in _columns(model).items() if attribute not in deferred)
    return f"SELECT {columns} FROM {model._meta.db_table}"  # noqa: S608  the model's own names


@functools.cache
def _insertion(model: type[Model], *, with_keys: bool) -> tuple[str, dict[str, str]]:
    """Return the INSERT, and its columns with the attributes that have their values."""
    columns = {name: attribute for name, attribute in _columns(model).items() if with_keys or attribute != _key(model)}
    table, names = model._meta.db_table, ", ".join(columns)
    sql = f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, %s)"  # noqa: S608
    return sql, columns


@functools.cache
def _update(model: type[Model], attributes: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Return the UPDATE, and the columns with the attributes that have their values: the key, and what is changed."""
    table, key = model._meta.db_table, _key(model)
    columns = {name: attribute for name, attribute in _columns(model).items() if attribute in (key, *attributes)}
    changes = ", ".join(f"{name} = new.{name}" for name in columns if name != key)
    sql = (
        f"UPDATE {table} SET {changes} FROM json_populate_recordset(NULL::{table}, %s) AS new"  # noqa: S608
        f" WHERE {table}.{key} = new.{key}"
    )
    return sql, columns


def _key(model: type[Model]) -> str:
    return model._meta.pk.attname


def _text_of(value: object) -> str:
    """Return the text of a value that JSON has no type for, as PostgreSQL reads it."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
