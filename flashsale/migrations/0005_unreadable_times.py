"""Remove the times that staff could enter and that cannot be read or shown: one of them makes its whole list fail.

Nothing comes back to life by this: a key that was over is revoked, a task that was over or was never to begin is
disabled.
"""

import logging

from django.db import migrations

FIRST, END = "'2000-01-01T00:00Z'", "'3000-01-01T00:00Z'"

# In SQL, because Python cannot read these rows. A condition on null is null, so that null stays as it is.
TABLES = {
    "rest_framework_api_key_apikey": (("expiry_date",), f"revoked = revoked OR coalesce(expiry_date < {FIRST}, false)"),
    "django_celery_beat_periodictask": (
        ("start_time", "expires"),
        f"enabled = enabled AND NOT coalesce(expires < {FIRST}, false) AND NOT coalesce(start_time >= {END}, false)",
    ),
    "otp_totp_totpdevice": (("throttling_failure_timestamp",), ""),
    "auth_user": (("last_login",), ""),
}
# This column takes no null.
JOINED = f"""
UPDATE auth_user SET date_joined = least(greatest(date_joined, {FIRST}), {END}::timestamptz - interval '1 second')
WHERE date_joined < {FIRST} OR date_joined >= {END}
"""

logger = logging.getLogger("flashsale.migrations")


def clear(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for table, (columns, besides) in TABLES.items():
            in_range = {name: f"{name} >= {FIRST} AND {name} < {END}" for name in columns}
            cleared = [f"{name} = CASE WHEN {condition} THEN {name} END" for name, condition in in_range.items()]
            unreadable = " OR ".join(f"NOT ({condition})" for condition in in_range.values())
            changes = ", ".join([*cleared, besides] if besides else cleared)
            cursor.execute(f"UPDATE {table} SET {changes} WHERE {unreadable}")
            _say(table, ", ".join(columns), cursor.rowcount)
        cursor.execute(JOINED)
        _say("auth_user", "date_joined", cursor.rowcount)


def _say(table, columns, rows):
    if rows:
        logger.warning("Times outside 2000-01-01 to 2999-12-31 were removed from %s rows of %s (%s).", rows, table, columns)


class Migration(migrations.Migration):
    dependencies = [
        ("flashsale", "0004_token_scopes"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
        ("otp_totp", "0003_add_timestamps"),
        ("rest_framework_api_key", "0005_auto_20220110_1102"),
    ]
    operations = [migrations.RunPython(clear, migrations.RunPython.noop)]
