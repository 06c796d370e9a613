"""What remembers which roles were made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0002_refund_schedule")]
    operations = [
        migrations.CreateModel(
            name="RolesMade",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=150, unique=True)),
            ],
        ),
    ]
