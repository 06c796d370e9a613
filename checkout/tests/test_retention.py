"""How long holds are kept."""

from datetime import timedelta

from django.db.models import F

from checkout import holds, retention, tasks
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory


def test_the_purge_deletes_old_holds_without_an_order(product):
    released, kept, ordered = HoldFactory(product=product), HoldFactory(product=product), OrderFactory(product=product)
    holds.release(released.pk)
    young = HoldFactory(product=product)
    holds.release(young.pk)
    Hold.objects.filter(pk__in=[released.pk, ordered.hold_id]).update(
        ended_at=F("ended_at") - timedelta(days=retention.HOLDS_KEPT_DAYS + 1)
    )

    tasks.purge_holds()

    assert set(Hold.objects.values_list("pk", flat=True)) == {kept.pk, ordered.hold_id, young.pk}
