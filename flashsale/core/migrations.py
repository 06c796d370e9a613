"""Operations for migrations that run while the version before still sells."""

from typing import Any

from django.contrib.postgres import operations

FIND = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Django's operation, which can be run again after it was cut short.

    It runs outside a transaction: an index that was being built stays behind as invalid, one that was built stays
    although its migration is not recorded, and either makes a second run fail for ever.

    Source: "Building Indexes Concurrently", https://www.postgresql.org/docs/current/sql-createindex.html
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build the index unless it is there; what an earlier run left unfinished is dropped before."""
        name = schema_editor.quote_name(self.index.name)
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(FIND, [name])
            found = cursor.fetchone()
        if found and found[0]:
            return
        if found:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY {name}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)
