"""What API tokens may do; those that exist keep what they have without a row here."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flashsale", "0003_roles"),
        ("rest_framework_api_key", "0005_auto_20220110_1102"),
    ]
    operations = [
        migrations.CreateModel(
            name="TokenScopes",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="granted",
                        serialize=False,
                        to="rest_framework_api_key.apikey",
                    ),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), size=None),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Token",
            fields=[],
            options={"verbose_name": "API token", "proxy": True, "indexes": [], "constraints": []},
            bases=("rest_framework_api_key.apikey",),
        ),
    ]
