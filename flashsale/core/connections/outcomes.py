"""What is known of a transaction after its COMMIT was sent."""

from django.db import OperationalError


class OutcomeUnknown(OperationalError):
    """The connection was lost or a standby did not confirm while committing: it was committed, or it was not."""


def is_definite(state: str | None) -> bool:
    """Say whether an error's SQLSTATE means that nothing was committed.

    Without one the connection was lost; 08 and 57P mean the same, perhaps after the commit.
    """
    return state is not None and not state.startswith(("08", "57P"))


def sqlstate_of(error: BaseException) -> str | None:
    """Return the five-character SQLSTATE behind a Django database error, or None where the server gave none."""
    return getattr(error.__cause__, "sqlstate", None)
