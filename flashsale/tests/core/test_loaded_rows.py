"""Rows are loaded, and new ones made, as Django does it, with less work."""

import pytest
from django.apps import apps
from django.db.models import Model, signals

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core import rows

MODELS = [model for model in apps.get_models() if model._meta.managed]
WITHOUT_OWN_INIT = [model for model in MODELS if model.__init__ is Model.__init__]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_an_instance_is_the_one_that_django_would_load(model):
    values = {field.attname: field.get_default() for field in model._meta.concrete_fields}

    ours, theirs = rows.loaded(model, values), model.from_db("default", list(values), list(values.values()))

    assert type(ours) is type(theirs)
    assert without_state(ours) == without_state(theirs)
    assert vars(ours._state) == vars(theirs._state)


@pytest.mark.parametrize("model", WITHOUT_OWN_INIT, ids=lambda model: model._meta.label)
def test_a_new_instance_is_the_one_that_django_would_make(model):
    values = {field.attname: field.get_default() for field in model._meta.concrete_fields}

    ours, theirs = rows.new(model, values), model(**values)

    assert without_state(ours) == without_state(theirs)
    assert vars(ours._state) == vars(theirs._state)


def test_no_signal_is_missed():
    assert signals.pre_init.receivers == signals.post_init.receivers == []


@pytest.mark.django_db
def test_an_absent_value_is_read_when_it_is_used():
    stored = OrderFactory()

    order = rows.loaded(Order, {"id": stored.pk, "hold_id": stored.hold_id})

    assert order.get_deferred_fields() >= {"quantity", "currency"}
    assert (order.quantity, order.hold, order) == (stored.quantity, stored.hold, stored)


def without_state(instance) -> dict:
    return {name: value for name, value in vars(instance).items() if name != "_state"}
