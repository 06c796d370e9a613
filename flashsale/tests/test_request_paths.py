"""ARCHITECTURE.md lists the functions that a hold and a webhook pass; these are the ones that run, in that order."""

import re

import pytest

from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.tracing import functions_entered

pytestmark = pytest.mark.django_db(transaction=True)

HEADING = "## The path of a hold, the path of a webhook"
STEP = re.compile(r"^ *(?:\d+\.|-) `([\w.]+)`", re.MULTILINE)
MAX_STEPS = 12
# What a provider's module calls to read a body is one step.
ONE_STEP = ("payments.providers",)


def documented(path: str) -> tuple[list[str], int]:
    """Return the functions listed for `hold` or `webhook`, and how many steps of the list are numbered."""
    section = (PROJECT / "ARCHITECTURE.md").read_text().partition(HEADING)[2].partition("\n## ")[0]
    steps = section.partition(f"### A {path}")[2].partition("### ")[0]
    return STEP.findall(steps), len(re.findall(r"^\d+\. ", steps, re.MULTILINE))


def is_listed(name: str) -> bool:
    """Say whether a function belongs into the list: one of an app's modules, or a view's method."""
    package, *modules, owner, _ = name.split(".")
    return package != "flashsale" and (owner[0].islower() or modules == ["views"])


def steps_of(names: list[str]) -> list[str]:
    listed = [next((step for step in ONE_STEP if name.startswith(step)), name) for name in names]
    return list(dict.fromkeys(name for name in listed if name in ONE_STEP or is_listed(name)))


@pytest.fixture(autouse=True)
def loaded_urls(api):
    """The first request of a process imports the views."""
    api.get("/api/v1/products")


def test_a_hold_passes_the_functions_that_the_architecture_lists(api, product):
    with functions_entered() as names:
        answer = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1})

    steps, numbered = documented("hold")
    assert answer.status_code == 201
    assert steps_of(names) == steps
    assert numbered <= MAX_STEPS


def test_a_webhook_passes_the_functions_that_the_architecture_lists(api, order):
    body = {"idempotency_key": "evt_1", "status": "success", "order_id": str(order.pk), "payment_id": "pay_1"}

    with functions_entered() as names:
        answer = api.post("/api/v1/payments/webhook", body)

    steps, numbered = documented("webhook")
    assert answer.json()["outcome"] == "applied"
    assert steps_of(names) == steps
    assert numbered <= MAX_STEPS


@pytest.mark.parametrize(
    ("name", "is_step"),
    [
        ("checkout.holds.placing.place_batch", True),
        ("checkout.views.HoldViewSet.create", True),
        ("checkout.holds.reading.HoldView.status", False),
        ("catalog.models.Stock.free", False),
        ("checkout.serializers.HoldOut.get_status", False),
        ("flashsale.core.batching.Batcher.submit", False),
    ],
)
def test_what_is_a_step(name, is_step):
    assert is_listed(name) == is_step
