"""The idempotency key that a refund is sent with. Older code may insert rows without the new columns."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0005_prove_known_payments'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='key_is_spent',
            field=models.BooleanField(db_default=False, default=False, help_text='The provider answers this key with a stored error.'),
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
