"""Idempotency-Keys, stored with the rows that their requests created."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
        ('checkout', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='hold',
            name='body_hash',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='hold',
            name='client',
            field=models.CharField(blank=True, db_default='', default='', help_text="The prefix of the API token that the key belongs to; empty: anonymous callers.", max_length=32),
        ),
        migrations.AddField(
            model_name='hold',
            name='idempotency_key',
            field=models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddField(
            model_name='order',
            name='body_hash',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='order',
            name='client',
            field=models.CharField(blank=True, db_default='', default='', help_text="The prefix of the API token that the key belongs to; empty: anonymous callers.", max_length=32),
        ),
        migrations.AddField(
            model_name='order',
            name='idempotency_key',
            field=models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.UniqueConstraint(condition=models.Q(('idempotency_key__isnull', False)), fields=('client', 'idempotency_key'), name='hold_is_made_once'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(condition=models.Q(('idempotency_key__isnull', False)), fields=('client', 'idempotency_key'), name='order_is_made_once'),
        ),
    ]
