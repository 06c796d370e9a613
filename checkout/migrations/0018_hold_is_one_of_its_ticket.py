"""A ticket has one hold that is active or became an order."""

from django.db import migrations, models

from flashsale.core.migrations import AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("checkout", "0017_ticket_of_hold")]
    operations = [
        AddUniqueConcurrently(
            "hold",
            models.UniqueConstraint(
                name="hold_is_one_of_its_ticket",
                fields=["ticket_id"],
                condition=models.Q(ticket_id__isnull=False, status__in=["active", "converted"]),
            ),
        ),
    ]
