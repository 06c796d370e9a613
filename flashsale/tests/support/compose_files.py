"""Compose's files, merged as `docker compose -f ... -f ...` does, for what this project's overrides use."""

import copy
from typing import Any

import yaml

from flashsale.tests.support.processes import PROJECT

Tree = dict[str, Any]


def load(path: str) -> Tree:
    """Return a Compose file below the project."""
    return yaml.safe_load((PROJECT / path).read_text())


def merged(*paths: str) -> Tree:
    """Return the project that these files make together: mappings and lists grow, other values are replaced."""
    first, *others = [load(path) for path in paths]
    project = copy.deepcopy(first)
    for other in others:
        _merge(project, other)
    return project


def _merge(into: Tree, other: Tree) -> None:
    for key, value in other.items():
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value)
        elif isinstance(present, list) and isinstance(value, list) and key in ("secrets", "networks", "profiles"):
            into[key] = [*present, *[item for item in value if item not in present]]
        else:
            assert not isinstance(present, list), f"{key}: no rule for this list"
            into[key] = copy.deepcopy(value)
