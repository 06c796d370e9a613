"""No test depends on the speed of the machine: tests wait for conditions, with the common timeout."""

import ast

import pytest

from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import modules_of_tests

WAITS = {"wait", "join", "result", "communicate", "wait_until", "acquire"}
LIMITS = {"timeout", "seconds"}
CLOCKS = {"monotonic", "perf_counter", "time"}
# Modules that sleep: to wait for a condition, for the length of a fault, at the pace of a shopper.
ALLOWED = {
    "sleep": {
        "flashsale/tests/support/processes.py", "flashsale/tests/support/leftovers.py",
        "flashsale/tests/support/deployed.py",
        "flashsale/tests/chaos/test_storms.py", "flashsale/tests/chaos/proxy.py", "flashsale/tests/chaos/shoppers.py",
        "flashsale/tests/hosts/test_hosts.py", "flashsale/tests/hosts/removal.py", "flashsale/tests/hosts/faults.py",
        "flashsale/tests/hosts/more_hosts.py",
    },
    "wait": {"flashsale/tests/chaos/proxy.py"},
    "elapsed": set(),
}  # fmt: skip


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and node.value is not True


def _is_elapsed(node: ast.expr) -> bool:
    """Say whether it is a measured duration: the present time minus another."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and any(isinstance(part, ast.Call) and _name(part.func) in CLOCKS for part in ast.walk(node.left))
    )


def _fault(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        name, limits = _name(node.func), [word.value for word in node.keywords if word.arg in LIMITS]
        if name == "sleep":
            return "sleep"
        if name in WAITS and any(_is_number(limit) for limit in [*node.args, *limits]):
            return "wait"
    if isinstance(node, ast.Assert):
        compared = [part for part in ast.walk(node) if isinstance(part, ast.Compare)]
        if any(
            isinstance(operator, (ast.Lt, ast.LtE)) and _is_elapsed(one.left) and _is_number(limit)
            for one in compared
            for operator, limit in zip(one.ops, one.comparators, strict=True)
        ):
            return "elapsed"
    return ""


def faults(text: str) -> list[tuple[int, str]]:
    return [(node.lineno, fault) for node in ast.walk(ast.parse(text)) if (fault := _fault(node))]


def test_no_test_sleeps_or_waits_for_a_fixed_time():
    found = []
    for path in [PROJECT / "conftest.py", *modules_of_tests()]:
        place = str(path.relative_to(PROJECT))
        found += [f"{place}:{line}: {fault}" for line, fault in faults(path.read_text()) if place not in ALLOWED[fault]]

    assert found == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("time.sleep(0.3)", "sleep"),
        ("process.wait(20)", "wait"),
        ("thread.join(timeout=5)", "wait"),
        ("wait_until(is_ready, seconds=5)", "wait"),
        ("assert time.monotonic() - started < 5", "elapsed"),
        ("assert 1 < 2 and time.time() - path.stat().st_mtime <= 10", "elapsed"),
    ],
)
def test_a_fixed_wait_is_found(text, fault):
    assert faults(text) == [(1, fault)]


@pytest.mark.parametrize(
    "text",
    ["process.wait(WAIT_SECONDS)", "', '.join(names)", "barrier.wait()", "assert time.monotonic() - started > 1"],
)
def test_a_wait_for_a_condition_is_allowed(text):
    assert faults(text) == []
