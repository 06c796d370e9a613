"""The tables of process state are complete, and what is remembered can be forgotten."""

import functools
import json
import pkgutil
from collections import defaultdict, deque
from importlib import import_module

import pytest
import redis

from catalog import snapshots
from catalog.snapshots import stored
from flashsale.observability import process_state

PACKAGES = ("catalog", "checkout", "payments", "flashsale")
# Filled once, when the apps are ready or their module is loaded.
WIRING = {
    "catalog.overdue._sources", "catalog.sale_figures._registered", "catalog.sale_figures._of_queues",
    "checkout.orders.creation_hook._registration",
    "checkout.order_money._readers", "checkout.orders.leaving_hook._registration",
    "checkout.orders.reading._registration", "checkout.order_story._registered",
    "flashsale.outbox.numbering._followers", "flashsale.outbox.numbering._observers",
    "flashsale.outbox.resources._registered", "flashsale.urls.api", "flashsale.core.greenlets._of_thread",
    "catalog.urls.urlpatterns", "checkout.urls.urlpatterns", "payments.urls.urlpatterns", "flashsale.urls.urlpatterns",
    "checkout.waiting_room.urls.urlpatterns", "checkout.waiting_room.capacity._capacities",
    "flashsale.demo_shop.urls.urlpatterns", "flashsale.outbox.urls.urlpatterns",
}  # fmt: skip
# The signals of a command's main program; no request and no task uses them.
OF_COMMANDS = {"flashsale.core.commands.interrupts.interrupts"}


def modules() -> list:
    """Return every module of the project, except tests, migrations and programs that run when they are imported."""
    names = [
        info.name
        for package in PACKAGES
        for info in pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
    ]
    left_out = ("tests", "migrations", "wsgi", "rsgi", "conftest", "__main__")
    return [import_module(name) for name in names if not set(left_out) & set(name.split("."))]


def is_state(name: str, value: object) -> bool:
    """Say whether a module's variable can change while the process lives: by convention, constants are in capitals."""
    owner = value.__module__ if isinstance(value, functools._lru_cache_wrapper) else type(value).__module__
    if owner.partition(".")[0] in PACKAGES:
        return isinstance(value, functools._lru_cache_wrapper) or name == name.lower()
    return isinstance(value, (dict, list, set, deque)) and name == name.lower() and not name.startswith("__")


def names_by_state() -> dict[int, set[str]]:
    """Return the dotted names of each state, by the identity of its object: modules import from each other."""
    names = defaultdict(set)
    for module in modules():
        for name, value in vars(module).items():
            if is_state(name, value):
                names[id(value)].add(f"{module.__name__}.{name}")
    return names


def test_every_state_of_a_process_is_in_a_table():
    listed = set(process_state.IN_FLIGHT) | set(process_state.REMEMBERED)
    found = list(names_by_state().values())

    assert [names for names in found if not names & (listed | WIRING | OF_COMMANDS)] == []
    assert listed <= set().union(*found)


def test_a_new_state_would_be_found():
    assert is_state("_cache", {})
    assert is_state("_breaker", stored._breaker)
    assert is_state("_client", functools.cache(lambda: None))
    assert not is_state("COLUMNS", [])
    assert not is_state("_parse", functools.cache(json.loads))


def test_process_state_can_be_reset():
    def silent():
        raise redis.ConnectionError

    stored._breaker.call(silent)
    assert not snapshots.is_reachable()

    process_state.forget()

    assert snapshots.is_reachable()


@pytest.mark.parametrize("name", process_state.REMEMBERED)
def test_each_state_says_how_it_is_forgotten(name):
    state = process_state.state_named(name)

    assert any(hasattr(state, verb) for verb in ("reset", "cache_clear", "clear"))
