"""Payments that the shop makes. Older code inserts events without a source: they were posted."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('checkout', '0012_payment_attempts'),
        ('payments', '0013_event_by_receipt'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='EventCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=32)),
                ('shop_id', models.CharField(max_length=64)),
                ('read_until', models.DateTimeField()),
                ('leased_until', models.DateTimeField(blank=True, null=True)),
                ('compared_until', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='PaymentAttempt',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveSmallIntegerField(help_text='Which attempt of its order it is, from 1.')),
                ('provider', models.CharField(max_length=32)),
                ('shop_id', models.CharField(help_text='The SHOP_ID with which it was made.', max_length=64)),
                ('kind', models.CharField(choices=[('payment_intent', 'payment intent'), ('checkout_session', 'checkout session')], max_length=16)),
                ('status', models.CharField(choices=[('creating', 'being made'), ('open', 'can be paid'), ('closing', 'being closed'), ('closed', 'closed unpaid'), ('failed', 'refused by the provider'), ('succeeded', 'paid')], default='creating', max_length=9)),
                ('reason', models.CharField(blank=True, help_text='Why it has this status, in a word.', max_length=64)),
                ('amount', models.DecimalField(decimal_places=3, max_digits=24)),
                ('currency', models.CharField(max_length=3)),
                ('object_id', models.CharField(blank=True, help_text="The provider's id of the intent or session.", max_length=255, null=True)),
                ('payment_id', models.CharField(blank=True, help_text="The provider's id of the payment, once known.", max_length=255, null=True)),
                ('client_secret', models.CharField(blank=True, max_length=255)),
                ('url', models.CharField(blank=True, max_length=2000)),
                ('return_url', models.CharField(blank=True, max_length=2000)),
                ('pay_until', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('shown_at', models.DateTimeField(blank=True, help_text='When it was first answered as open.', null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0, help_text='How often the provider was asked for this step.')),
                ('asked_at', models.DateTimeField(blank=True, help_text='When the provider was asked last.', null=True)),
                ('next_ask_at', models.DateTimeField(blank=True, help_text='When the provider is asked next; empty: not by itself.', null=True)),
                ('key_number', models.PositiveSmallIntegerField(default=1, help_text='Which idempotency key is in use.')),
                ('key_used_at', models.DateTimeField(help_text='When this key was first used.')),
                ('key_is_spent', models.BooleanField(default=False, help_text='The provider answers this key with a stored error.')),
                ('last_error', models.CharField(blank=True, max_length=500)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='RequestSlot',
            fields=[
                ('name', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('next_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='webhookevent',
            name='source',
            field=models.CharField(choices=[('webhook', 'posted by the provider'), ('listed', "read in the provider's list"), ('asked', "the provider's answer")], db_default='webhook', default='webhook', max_length=7),
        ),
        AddConstraintNotValid('webhookevent', models.CheckConstraint(condition=models.Q(('source__in', ['webhook', 'listed', 'asked'])), name='event_source_is_known'),
        ),
        migrations.AddConstraint(
            model_name='eventcursor',
            constraint=models.UniqueConstraint(fields=('provider', 'shop_id'), name='event_cursor_is_one'),
        ),
        migrations.AddField(
            model_name='paymentattempt',
            name='order',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payment_attempts', to='checkout.order'),
        ),
        migrations.AddIndex(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('status__in', ['creating', 'open', 'closing'])), fields=['next_ask_at'], name='payment_attempt_due'),
        ),
        migrations.AddIndex(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('status__in', ['creating', 'open'])), fields=['pay_until'], name='payment_attempt_by_deadline'),
        ),
        migrations.AddIndex(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('payment_id__isnull', False)), fields=['payment_id'], name='payment_attempt_by_payment'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.UniqueConstraint(fields=('order', 'number'), name='payment_attempt_is_one'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['creating', 'open', 'closing'])), fields=('order',), name='payment_attempt_runs_alone'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.UniqueConstraint(condition=models.Q(('object_id__isnull', False)), fields=('provider', 'object_id'), name='payment_attempt_object_is_one'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['creating', 'open', 'closing', 'closed', 'failed', 'succeeded'])), name='payment_attempt_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['payment_intent', 'checkout_session'])), name='payment_attempt_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='payment_attempt_amount_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('status__in', ['creating', 'open', 'closing'])), models.Q(models.Q(('status__in', ['creating', 'open', 'closing']), _negated=True), ('ended_at__isnull', False), ('next_ask_at__isnull', True)), _connector='OR'), name='payment_attempt_ended_with_a_time'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'open'), _negated=True), models.Q(('object_id__isnull', False), models.Q(models.Q(('client_secret', ''), _negated=True), models.Q(('url', ''), _negated=True), _connector='OR')), _connector='OR'), name='payment_attempt_open_can_be_paid'),
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'open'), models.Q(('client_secret', ''), ('url', '')), _connector='OR'), name='payment_attempt_keeps_no_old_secret'),
        ),
    ]
