"""A separate permission to pause a sale; no table changes."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='product',
            options={'ordering': ('id',), 'permissions': [('pause_product', 'Can pause and resume a sale')]},
        ),
    ]
