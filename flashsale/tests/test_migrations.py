"""Migrations run while the previous version still serves: none may block it or drop what it uses."""

import threading

import psycopg
import pytest
from django.contrib.postgres import operations as postgres
from django.contrib.postgres.operations import AddConstraintNotValid, RemoveIndexConcurrently
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, models
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.models.fields import NOT_PROVIDED
from django.db.models.signals import post_migrate

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from flashsale.core.migrations import AddIndexConcurrently, AddUniqueConcurrently
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import blocked
from flashsale.tests.support.web import database_url

OWN = ("flashsale", "submissions", "outbox", "catalog", "checkout", "payments")
TAKES_AWAY = (ops.RemoveField, ops.RenameField, ops.DeleteModel, ops.RenameModel, ops.AlterModelTable)
# They ran on empty tables, before the first release.
BEFORE_THE_FIRST_RELEASE = {
    ("checkout", "0002_idempotency_keys"), ("payments", "0002_refunds_and_settlements"),
}  # fmt: skip


def migrations():
    """This project's migrations, in order."""
    graph = MigrationLoader(None).graph
    return [
        graph.nodes[key]
        for app in OWN
        for leaf in graph.leaf_nodes(app)
        for key in graph.forwards_plan(leaf)
        if key[0] == app
    ]


def faults(migration) -> list[str]:
    """Yield the operations of a migration that would block or break the running version."""
    made = {operation.name.lower() for operation in migration.operations if isinstance(operation, ops.CreateModel)}
    return [
        f"{migration}: {type(operation).__name__} {fault}"
        for operation in migration.operations
        if (fault := _fault(operation)) and getattr(operation, "model_name", "").lower() not in made
    ]


def _fault(operation) -> str:
    if isinstance(operation, TAKES_AWAY):
        return "takes away what the running version uses: stop using it one release earlier"
    if isinstance(
        operation, (AddIndexConcurrently, AddUniqueConcurrently, RemoveIndexConcurrently, AddConstraintNotValid)
    ):
        return ""
    if isinstance(operation, postgres.AddIndexConcurrently):
        return "cannot be run again after it was cut short: flashsale.core.migrations.AddIndexConcurrently"
    if isinstance(operation, (ops.AddIndex, ops.RemoveIndex)):
        return "locks the table while the index is built: AddIndexConcurrently"
    if isinstance(operation, ops.AddConstraint):
        return "locks the table while all rows are read: AddConstraintNotValid, or a unique index built concurrently"
    if isinstance(operation, ops.AddField):
        field = operation.field
        if not field.null and field.db_default is NOT_PROVIDED and not field.many_to_many:
            return "breaks the running version's INSERT: null=True or db_default"
    return ""


def test_no_migration_blocks_or_breaks_the_running_version():
    found = [
        fault
        for one in migrations()
        if (one.app_label, one.name) not in BEFORE_THE_FIRST_RELEASE
        for fault in faults(one)
    ]

    assert found == []


@pytest.mark.parametrize(
    "operation",
    [
        ops.RemoveField("order", "refund"),
        ops.RenameField("order", "refund", "returned"),
        ops.DeleteModel("Order"),
        ops.AddIndex("order", models.Index(fields=["refund"], name="by_refund")),
        postgres.AddIndexConcurrently("order", models.Index(fields=["refund"], name="by_refund")),
        ops.AddConstraint("order", models.CheckConstraint(name="any", condition=models.Q(quantity__gt=0))),
        ops.AddField("order", "colour", models.CharField(max_length=9, default="red")),
    ],
)
def test_a_migration_that_would_is_found(operation):
    assert _fault(operation)


@pytest.mark.parametrize(
    "operation",
    [
        AddIndexConcurrently("order", models.Index(fields=["refund"], name="by_refund")),
        AddConstraintNotValid("order", models.CheckConstraint(name="any", condition=models.Q(quantity__gt=0))),
        ops.AddField("order", "colour", models.CharField(max_length=9, default="red", db_default="red")),
        ops.AddField("order", "colour", models.CharField(max_length=9, null=True)),
    ],
)
def test_a_harmless_migration_is_allowed(operation):
    assert not _fault(operation)


BY_NAME = AddIndexConcurrently("product", models.Index(fields=["name"], name="by_name"))
ONE_NAME = AddUniqueConcurrently(
    "product",
    models.UniqueConstraint(fields=["name"], condition=models.Q(is_published=True), name="by_name"),
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("left_behind", ["nothing", "an unfinished index", "the index"])
@pytest.mark.parametrize("operation", [BY_NAME, ONE_NAME], ids=lambda operation: type(operation).__name__)
def test_an_interrupted_index_build_is_repeated_by_the_next_run(operation, left_behind):
    before = MigrationLoader(connection).project_state()
    after, is_unique = before.clone(), operation is ONE_NAME
    operation.state_forwards("catalog", after)
    with connection.cursor() as cursor:
        if left_behind == "an unfinished index":
            ProductFactory.create_batch(2, name="Widget")
            with pytest.raises(IntegrityError):
                cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY by_name ON catalog_product (name)")
            Product.objects.filter(pk=Product.objects.first().pk).update(name="Gadget")
        elif left_behind == "the index":
            cursor.execute(f"CREATE {'UNIQUE' * is_unique} INDEX by_name ON catalog_product (name)")

        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("catalog", editor, before, after)

        cursor.execute("SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'by_name'::regclass")
        found = cursor.fetchall()
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("catalog", editor, after, before)
        cursor.execute("SELECT to_regclass('by_name')")
        assert cursor.fetchall() == [(None,)]
    assert found == [(True, is_unique)]


def lost_indexes(migration, loader) -> list[str]:
    """Yield fields whose index a migration drops before its replacement exists: look-ups would scan the table."""
    before = loader.project_state((migration.app_label, migration.name), at_end=False)
    lost = []
    for operation in migration.operations:
        if not isinstance(operation, ops.AlterField):
            continue
        model = before.models[migration.app_label, operation.model_name_lower]
        was, becomes = model.fields[operation.name], operation.field
        others = {index.fields[0] for index in model.options.get("indexes", []) if index.fields}
        if (was.unique or was.db_index) and not (becomes.unique or becomes.db_index) and operation.name not in others:
            lost.append(f"{migration}: {operation.name}")
    return lost


def test_an_index_is_dropped_only_after_its_replacement_exists():
    loader = MigrationLoader(None)

    assert [field for one in migrations() for field in lost_indexes(one, loader)] == []


def test_each_app_has_one_leaf_migration():
    graph = MigrationLoader(None).graph
    for app in OWN:
        assert len(graph.leaf_nodes(app)) == 1
    for migration in migrations():
        assert len([name for name in migration.dependencies if name[0] == migration.app_label]) <= 1


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_waits_for_a_lock_times_out_and_the_sale_continues():
    """Statements queue behind a waiting ALTER TABLE, so it must not wait long."""
    sold, has_given_up = [], threading.Event()

    def sell() -> None:
        wait_until(lambda: blocked() or has_given_up.is_set(), what="the migration waits")
        with psycopg.connect(database_url()) as other:
            sold.append(other.execute("SELECT count(*) FROM catalog_product").fetchone())

    buyer = threading.Thread(target=sell)
    with psycopg.connect(database_url()) as reader:
        reader.execute("SELECT count(*) FROM catalog_product")
        buyer.start()
        with pytest.raises(OperationalError, match="lock timeout"), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE catalog_product ADD COLUMN colour text")
        has_given_up.set()
        buyer.join(WAIT_SECONDS)

        assert sold


@pytest.mark.django_db(transaction=True)
def test_the_lock_timeout_holds_while_migrating_and_statements_may_take_long():
    seen = {}

    def look(*args, **kwargs) -> None:
        with connection.cursor() as cursor:
            for name in ("lock_timeout", "statement_timeout"):
                cursor.execute(f"SHOW {name}")
                seen[name] = cursor.fetchone()[0]

    post_migrate.connect(look)
    try:
        call_command("migrate", verbosity=0)
    finally:
        post_migrate.disconnect(look)
        connection.close()

    assert seen == {"lock_timeout": "2s", "statement_timeout": "0"}
