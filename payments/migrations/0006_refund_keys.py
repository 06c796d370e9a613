"""Which idempotency key a refund is sent with: every column may be absent from what older code writes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0005_prove_known_payments'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='key_is_spent',
            field=models.BooleanField(db_default=False, default=False, help_text='The provider would repeat a saved fault to this key.'),
        ),
        migrations.AddField(
            model_name='refund',
            name='key_number',
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text='Which idempotency key of this attempt is in use.'),
        ),
        migrations.AddField(
            model_name='refund',
            name='key_used_at',
            field=models.DateTimeField(blank=True, help_text='When this key was first used; empty: when the attempt began.', null=True),
        ),
    ]
