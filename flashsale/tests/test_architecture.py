"""Rules that every module keeps: one writer per column, small modules, refusals with a status."""

import ast
from pathlib import Path

import pytest
from django.apps import apps

from flashsale.api.problem_codes import BY_REFUSAL
from flashsale.core.refusals import Refusal
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import APPS, modules_of_tests, production_modules

MAX_LINES = 300
# Each has one subject that is not worth splitting.
LONGER = {
    "flashsale/settings.py": 440,
    "checkout/models.py": 370,
}

# Columns and the one module that may assign them.
WRITERS = {
    "total": ("catalog/inventory.py",),
    "reserved": ("catalog/inventory.py",),
    "sold": ("catalog/inventory.py",),
    "refund": ("checkout/orders/transitions.py",),
    "paid_at": ("checkout/orders/transitions.py",),
    "closed_at": ("checkout/orders/transitions.py",),
    "ended_at": ("checkout/holds/ending.py", "payments/attempt_records/writing.py"),
    "next_attempt_at": ("payments/inbox/deliveries.py", "payments/inbox/processing.py"),
    "processed_at": ("payments/inbox/deliveries.py", "payments/inbox/processing.py"),
    "refunded_amount": ("payments/payment_records.py", "checkout/orders/transitions.py"),
    "refund_target": ("payments/payment_records.py",),
    "refunded_by_other_means": ("payments/payment_records.py",),
    "next_ask_at": tuple(f"payments/attempt_records/{name}.py" for name in ("answers", "leases", "writing")),
    "next_try_at": (
        "payments/refunds/attempts.py",
        "payments/refunds/recording.py",
        "flashsale/outbox/deliveries/again.py",
    ),
}
WRITING_CALLS = {"update", "create", "bulk_create", "Stock", "Hold", "Order", "WebhookEvent"}
STATUS_WRITERS = {
    "checkout/holds/ending.py", "checkout/orders/transitions.py", "payments/inbox/deliveries.py",
    "payments/inbox/processing.py", "payments/payment_records.py", "payments/disputes.py",
    "payments/refunds/attempts.py", "payments/refunds/recording.py", "payments/attempt_records/answers.py",
    "payments/attempt_records/writing.py",
    "flashsale/outbox/endpoints/statuses.py", "flashsale/outbox/deliveries/again.py",
}  # fmt: skip


def written_columns(tree: ast.AST) -> set[str]:
    """Return the names a module assigns: `x.name = ...`, `.update(name=...)`, `Model(name=...)`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                found |= {part.attr for part in parts if isinstance(part, ast.Attribute)}
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in WRITING_CALLS:
                found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return found


def violations(path: str, source: str) -> set[str]:
    written = written_columns(ast.parse(source))
    found = {name for name in written if name in WRITERS and path not in WRITERS[name]}
    return found | ({"status"} & written if path not in STATUS_WRITERS else set())


@pytest.mark.parametrize("path", production_modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_counters_and_statuses_have_one_writer(path):
    assert violations(str(path.relative_to(PROJECT)), path.read_text()) == set()


@pytest.mark.parametrize(
    "planted",
    [
        "stock.reserved += 1",
        "stock.sold = 3",
        "Stock.objects.filter(pk=1).update(total=5)",
        "order.status = 'paid'",
        "Hold.objects.update(status='expired')",
        "stock.reserved, stock.sold = 0, 1",
        "Stock(product=p, total=4)",
    ],
)
def test_a_second_writer_is_found(planted):
    assert violations("checkout/views.py", planted)


@pytest.mark.parametrize("path", production_modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_module_is_small(path):
    limit = LONGER.get(str(path.relative_to(PROJECT)), MAX_LINES)

    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("app", ["catalog", "checkout", "payments", "flashsale/core/submissions", "flashsale/outbox"])
def test_the_domain_enqueues_no_tasks_and_every_index_names_its_reader(app):
    for path in (PROJECT / app).glob("*.py"):
        assert ".delay(" not in path.read_text()
        assert ".apply_async(" not in path.read_text()
    lines = [line for path in modules_of_models(PROJECT / app) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        if "models.Index(" in line:
            before = [text.strip() for text in lines[max(0, number - 4) : number]]
            assert any(text.startswith("# Read by:") for text in before), lines[number]


def modules_of_models(app: Path) -> list[Path]:
    """Return an app's module of models, or those of its package of models."""
    found = [*app.glob("models.py"), *sorted(app.glob("models/*.py"))]
    assert found
    return found


def test_every_refusal_has_an_http_status():
    # Raised by actions of the admin only, which show them as messages.
    answered_in_words = {
        "event_not_dead", "event_not_settleable", "event_is_not_money",
        "event_cannot_be_accepted", "order_needed", "amount_needed", "payment_already_known",
        "payment_already_refunded", "already_done", "refund_under_way", "nothing_to_do", "unreadable_file",
        "set_up_expired", "device_of_owner", "device_of_superuser",
    }  # fmt: skip

    def below(kind):
        return {kind} | {found for child in kind.__subclasses__() for found in below(child)}

    assert {kind.code for kind in below(Refusal) - {Refusal}} - answered_in_words == {kind.code for kind in BY_REFUSAL}


def imported_test_modules(source: str) -> set[str]:
    """Return the modules of tests that a source imports; helpers belong in a `support` package or a conftest."""
    modules = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module}
    return {module for module in modules if module.rpartition(".")[2].startswith("test_")}


def test_no_test_module_imports_from_another_one():
    found = {str(path.relative_to(PROJECT)): imported_test_modules(path.read_text()) for path in modules_of_tests()}

    assert {path: modules for path, modules in found.items() if modules} == {}


@pytest.mark.parametrize("planted", ["from payments.tests.test_stripe import send", "from .test_stripe import send"])
def test_an_import_from_a_test_module_is_found(planted):
    assert imported_test_modules(planted)


def test_l14_no_foreign_key_cascades():
    ours = [
        model
        for app in ("submissions", "outbox", "catalog", "checkout", "payments")
        for model in apps.get_app_config(app).get_models()
    ]

    rules = {
        field.remote_field.on_delete.__name__ for model in ours for field in model._meta.fields if field.remote_field
    }

    # References to users: the rows are handed over before (flashsale.staff.deleted_accounts).
    # Versions of products outlive what they speak of, and hold nothing back.
    assert rules == {"PROTECT", "DO_NOTHING"}


def chance_in_parameters(source: str) -> set[str]:
    """Return what differs from process to process in the parameters of tests."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "parametrize":
            called = {child.func for child in ast.walk(node) if isinstance(child, ast.Call)}
            found |= {getattr(one, "attr", getattr(one, "id", "")) for one in called} & CHANCE
            names = {ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "ids"}
            has_sets = any(isinstance(child, ast.Set) and len(child.elts) > 1 for child in ast.walk(node))
            # The order in which a set of texts is written differs.
            found |= names & {"str", "repr"} if has_sets else set()
    return found


CHANCE = {"uuid4", "random", "randint", "token_hex", "token_bytes", "getpid"}


def test_every_process_collects_the_same_tests():
    """With pytest-xdist a parameter made by chance stops the whole run."""
    tests = [path for app in APPS for path in (PROJECT / app).rglob("test_*.py")]

    assert {str(path): found for path in tests if (found := chance_in_parameters(path.read_text()))} == {}
    assert chance_in_parameters('@pytest.mark.parametrize("id", [str(uuid4())])\ndef test(id): ...') == {"uuid4"}
    assert chance_in_parameters('@pytest.mark.parametrize("all", [{"a", "b"}], ids=str)\ndef test(all): ...') == {"str"}
