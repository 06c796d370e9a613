"""Payment ids that the shop's own payments prove. Older code never writes the new value."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('checkout', '0011_holds_by_product'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='provedpaymentid',
            name='proved_by_is_known',
        ),
        migrations.AlterField(
            model_name='provedpaymentid',
            name='proved_by',
            field=models.CharField(choices=[('attempt', 'Attempt'), ('event', 'Event'), ('token', 'Token')], max_length=8),
        ),
        AddConstraintNotValid('provedpaymentid', models.CheckConstraint(condition=models.Q(('proved_by__in', ['attempt', 'event', 'token'])), name='proved_by_is_known'),
        ),
    ]
