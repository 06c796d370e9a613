"""What the shop itself calls a product, and where its picture is; the history records both."""

import catalog.validators
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

STORABLE_SKU = r"^[^\u0001-\u0020\u007f-\u00a0]([^\u0001-\u001f\u007f-\u009f]*[^\u0001-\u0020\u007f-\u00a0])?$"
STORABLE_IMAGE_URL = r"^https?://[^\u0001-\u0020\u007f-\u00a0]+$"

class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0009_products_by_creation'),
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
            name='image_url',
            field=models.CharField(blank=True, help_text='Where its picture is: https://... A page that is read over https shows no picture from http://.', max_length=2000, null=True, validators=[catalog.validators.validate_image_url], verbose_name='image address'),
        ),
        migrations.AddField(
            model_name='product',
            name='sku',
            field=models.CharField(blank=True, help_text='What the shop itself calls it; no two products have the same.', max_length=64, null=True, validators=[catalog.validators.validate_sku], verbose_name='SKU'),
        ),
        migrations.AddField(
            model_name='productevent',
            name='image_url',
            field=models.CharField(blank=True, help_text='Where its picture is: https://... A page that is read over https shows no picture from http://.', max_length=2000, null=True, validators=[catalog.validators.validate_image_url], verbose_name='image address'),
        ),
        migrations.AddField(
            model_name='productevent',
            name='sku',
            field=models.CharField(blank=True, help_text='What the shop itself calls it; no two products have the same.', max_length=64, null=True, validators=[catalog.validators.validate_sku], verbose_name='SKU'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_productevent" ("currency", "description", "id", "image_url", "is_published", "max_per_customer", "max_per_hold", "name", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price", "sale_ends_at", "sale_starts_at", "sku") VALUES (NEW."currency", NEW."description", NEW."id", NEW."image_url", NEW."is_published", NEW."max_per_customer", NEW."max_per_hold", NEW."name", NEW."paused_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."price", NEW."sale_ends_at", NEW."sale_starts_at", NEW."sku"); RETURN NULL;', hash='eae0f669c1279e7b2ae7a46953487ae6a27876ea', operation='INSERT', pgid='pgtrigger_insert_insert_ae3fa', table='catalog_product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."image_url" IS DISTINCT FROM (NEW."image_url") OR OLD."is_published" IS DISTINCT FROM (NEW."is_published") OR OLD."max_per_customer" IS DISTINCT FROM (NEW."max_per_customer") OR OLD."max_per_hold" IS DISTINCT FROM (NEW."max_per_hold") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."price" IS DISTINCT FROM (NEW."price") OR OLD."sale_ends_at" IS DISTINCT FROM (NEW."sale_ends_at") OR OLD."sale_starts_at" IS DISTINCT FROM (NEW."sale_starts_at") OR OLD."sku" IS DISTINCT FROM (NEW."sku"))', func='INSERT INTO "catalog_productevent" ("currency", "description", "id", "image_url", "is_published", "max_per_customer", "max_per_hold", "name", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price", "sale_ends_at", "sale_starts_at", "sku") VALUES (NEW."currency", NEW."description", NEW."id", NEW."image_url", NEW."is_published", NEW."max_per_customer", NEW."max_per_hold", NEW."name", NEW."paused_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."price", NEW."sale_ends_at", NEW."sale_starts_at", NEW."sku"); RETURN NULL;', hash='c81f1aa62e837d9610263b0d8ad2b360cea21af9', operation='UPDATE', pgid='pgtrigger_update_update_580c5', table='catalog_product', when='AFTER')),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(sku__regex=STORABLE_SKU),
                name="product_sku_is_printable",
                violation_error_message="A SKU has printable characters only, and no blank at either end.",
            ),
        ),
        AddConstraintNotValid(
            "product",
            models.CheckConstraint(
                condition=models.Q(image_url__iregex=STORABLE_IMAGE_URL),
                name="product_image_url_is_absolute",
                violation_error_message="This must be a whole address that begins with https:// or http://.",
            ),
        ),
    ]
