"""Triggers record every version of a product."""

import django.core.validators
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_pause_permission'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProductEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True)),
                ('price', models.DecimalField(decimal_places=3, max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0.001'))])),
                ('currency', models.CharField(help_text='ISO 4217 code, such as USD.', max_length=3)),
                ('is_published', models.BooleanField(default=False, help_text='Unpublished products are not found by customers.')),
                ('sale_starts_at', models.DateTimeField(blank=True, null=True)),
                ('sale_ends_at', models.DateTimeField(blank=True, null=True)),
                ('paused_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('max_per_hold', models.PositiveIntegerField(default=10, validators=[django.core.validators.MinValueValidator(1)])),
                ('max_per_customer', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)])),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_productevent" ("currency", "description", "id", "is_published", "max_per_customer", "max_per_hold", "name", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price", "sale_ends_at", "sale_starts_at") VALUES (NEW."currency", NEW."description", NEW."id", NEW."is_published", NEW."max_per_customer", NEW."max_per_hold", NEW."name", NEW."paused_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."price", NEW."sale_ends_at", NEW."sale_starts_at"); RETURN NULL;', hash='b8d3bdb390e5c7e98542e8868da9972c95d78f5e', operation='INSERT', pgid='pgtrigger_insert_insert_ae3fa', table='catalog_product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_published" IS DISTINCT FROM (NEW."is_published") OR OLD."max_per_customer" IS DISTINCT FROM (NEW."max_per_customer") OR OLD."max_per_hold" IS DISTINCT FROM (NEW."max_per_hold") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."price" IS DISTINCT FROM (NEW."price") OR OLD."sale_ends_at" IS DISTINCT FROM (NEW."sale_ends_at") OR OLD."sale_starts_at" IS DISTINCT FROM (NEW."sale_starts_at"))', func='INSERT INTO "catalog_productevent" ("currency", "description", "id", "is_published", "max_per_customer", "max_per_hold", "name", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price", "sale_ends_at", "sale_starts_at") VALUES (NEW."currency", NEW."description", NEW."id", NEW."is_published", NEW."max_per_customer", NEW."max_per_hold", NEW."name", NEW."paused_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."price", NEW."sale_ends_at", NEW."sale_starts_at"); RETURN NULL;', hash='d30b03d5f5c45d19c0eaa4ef4bdae8f0e2504c98', operation='UPDATE', pgid='pgtrigger_update_update_580c5', table='catalog_product', when='AFTER')),
        ),
        migrations.AddField(
            model_name='productevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='productevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='catalog.product'),
        ),
    ]
