"""Batches of holds that are decided again: admitted requests are kept, and overdue holds are reclaimed."""

from datetime import timedelta
from uuid import UUID

import psycopg.errors
import pytest
from django.db import OperationalError
from django.db.models import F

from catalog import inventory, overdue
from catalog.tests.factories import ProductFactory
from checkout import holds
from checkout.holds.requests import HoldRequest
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold
from flashsale.core import transactions
from flashsale.tests.support.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)

LAST_ID = UUID("ffffffff-ffff-4fff-bfff-ffffffffffff")


def test_an_admitted_request_is_decided_though_the_others_were_served_meanwhile(product, monkeypatch):
    key = IdempotencyKey(client="", key="k" * 16, body_hash="same")
    first, late = HoldRequest(quantity=1, key=key), HoldRequest(quantity=1)
    reserve, errors = inventory.reserve, [OperationalError()]
    errors[0].__cause__ = psycopg.errors.DeadlockDetected()

    def fail_once(*args, **kwargs):
        if errors:
            raise errors.pop()
        return reserve(*args, **kwargs)

    def let_another_process_serve_it(_seconds):
        at_once(lambda: holds.place(product_id=product.pk, quantity=1, key=key))

    monkeypatch.setattr(inventory, "reserve", fail_once)
    monkeypatch.setattr(transactions.time, "sleep", let_another_process_serve_it)

    known, served = holds.place_batch(product_id=product.pk, requests=[first], admit=lambda: [late])

    assert (known.is_replayed, served.hold.pk) == (True, late.hold_id)
    assert Hold.objects.count() == 2


def test_more_overdue_holds_than_one_batch_reclaims_cause_no_refusal(monkeypatch):
    monkeypatch.setattr(overdue, "BATCH_ROWS", 5)
    product = ProductFactory(stock=100, max_per_customer=1)
    others = [HoldRequest(quantity=1, customer_id=f"other_{number}") for number in range(12)]
    mine = HoldRequest(quantity=1, customer_id="me", hold_id=LAST_ID)
    holds.place_batch(product_id=product.pk, requests=[*others, mine])
    an_hour = timedelta(hours=1)
    Hold.objects.update(created_at=F("created_at") - an_hour, expires_at=F("expires_at") - an_hour)

    again = holds.place(product_id=product.pk, quantity=1, customer_id="me")

    assert again.status == Hold.Status.ACTIVE
    assert Hold.objects.filter(status=Hold.Status.ACTIVE).count() == 1
