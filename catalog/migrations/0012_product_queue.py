"""Whether a product has a waiting room, when that opens, and how fast it admits; the history records all three.

The next migration checks the constraints on stored rows.
"""

import datetime
import django.core.validators
import flashsale.core.moments
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

FIRST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(3000, 1, 1, tzinfo=datetime.UTC)


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0011_sku_is_unique'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='product',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='product',
            name='update_update',
        ),
        migrations.AddField(
            model_name='product',
            name='admission_rate_max',
            field=models.IntegerField(blank=True, help_text='Buyers a second; none: as many as the shop, its payments and its stock can take.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000)]),
        ),
        migrations.AddField(
            model_name='product',
            name='queue',
            field=models.CharField(choices=[('off', 'Off'), ('on', 'On')], db_default='off', default='off', help_text='On: buyers wait in a queue and are admitted in the order of a draw. It needs a start of the sale.', max_length=8),
        ),
        migrations.AddField(
            model_name='product',
            name='queue_opens_at',
            field=models.DateTimeField(blank=True, help_text='At least 5 minutes before the sale starts; none: open from the moment it is switched on.', null=True, validators=[flashsale.core.moments.validate]),
        ),
        migrations.AddField(
            model_name='productevent',
            name='admission_rate_max',
            field=models.IntegerField(blank=True, help_text='Buyers a second; none: as many as the shop, its payments and its stock can take.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000)]),
        ),
        migrations.AddField(
            model_name='productevent',
            name='queue',
            field=models.CharField(choices=[('off', 'Off'), ('on', 'On')], db_default='off', default='off', help_text='On: buyers wait in a queue and are admitted in the order of a draw. It needs a start of the sale.', max_length=8),
        ),
        migrations.AddField(
            model_name='productevent',
            name='queue_opens_at',
            field=models.DateTimeField(blank=True, help_text='At least 5 minutes before the sale starts; none: open from the moment it is switched on.', null=True, validators=[flashsale.core.moments.validate]),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_productevent" ("admission_rate_max", "currency", "description", "id", "image_url", "is_published", "max_per_customer", "max_per_hold", "name", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price", "queue", "queue_opens_at", "sale_ends_at", "sale_starts_at", "sku") VALUES (NEW."admission_rate_max", NEW."currency", NEW."description", NEW."id", NEW."image_url", NEW."is_published", NEW."max_per_customer", NEW."max_per_hold", NEW."name", NEW."paused_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."price", NEW."queue", NEW."queue_opens_at", NEW."sale_ends_at", NEW."sale_starts_at", NEW."sku"); RETURN NULL;', hash='b00802a8bfc93ca098a0c862c4d55bd97bf370d1', operation='INSERT', pgid='pgtrigger_insert_insert_ae3fa', table='catalog_product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."admission_rate_max" IS DISTINCT FROM (NEW."admission_rate_max") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."image_url" IS DISTINCT FROM (NEW."image_url") OR OLD."is_published" IS DISTINCT FROM (NEW."is_published") OR OLD."max_per_customer" IS DISTINCT FROM (NEW."max_per_customer") OR OLD."max_per_hold" IS DISTINCT FROM (NEW."max_per_hold") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."price" IS DISTINCT FROM (NEW."price") OR OLD."queue" IS DISTINCT FROM (NEW."queue") OR OLD."queue_opens_at" IS DISTINCT FROM (NEW."queue_opens_at") OR OLD."sale_ends_at" IS DISTINCT FROM (NEW."sale_ends_at") OR OLD."sale_starts_at" IS DISTINCT FROM (NEW."sale_starts_at") OR OLD."sku" IS DISTINCT FROM (NEW."sku"))', func='INSERT INTO "catalog_productevent" ("admission_rate_max", "currency", "description", "id", "image_url", "is_published", "max_per_customer", "max_per_hold", "name", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price", "queue", "queue_opens_at", "sale_ends_at", "sale_starts_at", "sku") VALUES (NEW."admission_rate_max", NEW."currency", NEW."description", NEW."id", NEW."image_url", NEW."is_published", NEW."max_per_customer", NEW."max_per_hold", NEW."name", NEW."paused_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."price", NEW."queue", NEW."queue_opens_at", NEW."sale_ends_at", NEW."sale_starts_at", NEW."sku"); RETURN NULL;', hash='10c1456bd57e40c9866a5d4de0a1ed339b7a6c1b', operation='UPDATE', pgid='pgtrigger_update_update_580c5', table='catalog_product', when='AFTER')),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(queue__in=["off", "on"]),
                name="product_queue_is_known",
                violation_error_message="A queue is off or on.",
            ),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(queue="off") | models.Q(sale_starts_at__isnull=False),
                name="product_queue_has_a_start",
                violation_error_message="A queue needs a start of the sale.",
            ),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(queue_opens_at__isnull=True)
                | models.Q(
                    sale_starts_at__isnull=False,
                    queue_opens_at__lte=models.F("sale_starts_at") - datetime.timedelta(minutes=5),
                ),
                name="product_queue_opens_before_the_start",
                violation_error_message="The queue must open at least 5 minutes before the sale starts.",
            ),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(queue_opens_at__gte=FIRST, queue_opens_at__lt=END),
                name="product_queue_opens_at_is_in_range",
                violation_error_message=(
                    "Opening of the queue: This must lie between 2000-01-01 and 2999-12-31 (UTC)."
                ),
            ),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(admission_rate_max__gte=1, admission_rate_max__lte=1_000_000),
                name="product_admission_rate_max_is_in_range",
                violation_error_message="Buyers a second: 1 to 1,000,000.",
            ),
        ),
    ]
