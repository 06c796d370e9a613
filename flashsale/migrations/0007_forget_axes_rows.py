"""Names and addresses of failed log-ins that django-axes kept are deleted; nothing writes or reads them any more.

Its tables stay for one release: the version before this one writes to them while this migration runs.
"""

from django.db import migrations

FORGET = """
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['axes_accessattemptexpiration', 'axes_accessattempt', 'axes_accessfailurelog',
                                'axes_accesslog']
    LOOP
        IF to_regclass(name) IS NOT NULL THEN
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("flashsale", "0006_login_failures")]
    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
