"""History of deleted accounts: what a member of staff did is kept under a placeholder user.

Rows that say who decided something reference a user. Before an account is deleted, in any way, they are reassigned to a
placeholder: an inactive user called "ann (deleted account 7)", without password, permissions, devices or e-mail
address. A test fails for a reference to users that is in neither table below.
"""

import re
from dataclasses import dataclass

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from pghistory.models import Context

from catalog.models import StockAdjustment
from payments.models import Payment, RefundRequest, WebhookEvent

# History: reassigned to the placeholder.
REASSIGNED = (
    (LogEntry, "user"),
    (StockAdjustment, "made_by"),
    (WebhookEvent, "settled_by"),
    (Payment, "refunded_by"),
    (RefundRequest, "requested_by"),
)
# Rows that belong to the account: deleted with it.
DELETED_WITH_ACCOUNT = frozenset(
    {
        "otp_totp.TOTPDevice.user", "auth.User_groups.user", "auth.User_user_permissions.user",
        # Purged within a day anyway.
        "submissions.Upload.made_by",
    }
)  # fmt: skip

_NAME = "{name} (deleted account {pk})"
_PLACEHOLDER = re.compile(r"(?P<name>.*) \(deleted account \d+\)")
_NAME_LENGTH = User._meta.get_field("username").max_length


@dataclass(frozen=True)
class Account:
    """A user with the rows that reference it."""

    user: User

    @property
    def is_placeholder(self) -> bool:
        """Say whether this user is the placeholder of a deleted account. No form accepts such a name."""
        return _PLACEHOLDER.fullmatch(self.user.username) is not None

    @property
    def placeholder_name(self) -> str:
        """Return the user name of this account's placeholder; a long one is cut."""
        match = _PLACEHOLDER.fullmatch(self.user.username)
        name = match["name"] if match else self.user.username
        most = _NAME_LENGTH - len(_NAME.format(name="", pk=self.user.pk))
        return _NAME.format(name=name[:most], pk=self.user.pk)

    @property
    def has_history(self) -> bool:
        """Say whether a decision or a change is recorded under this account."""
        return any(rows.exists() for rows, _ in self._kept()) or self._versions().exists()

    def reassign_history(self) -> None:
        """Reassign the account's history to a placeholder; runs inside the transaction that deletes the account."""
        # A concurrent insert that references the account waits for this lock, and fails once the account is gone.
        locked_user = User.objects.select_for_update().filter(pk=self.user.pk).first()
        if not locked_user or not self.has_history:
            return
        placeholder = self._create_placeholder()
        for rows, field in self._kept():
            rows.update(**{field: placeholder})
        metadata = RawSQL("metadata || jsonb_build_object('user', %s::int)", [placeholder.pk])
        self._versions().update(metadata=metadata)

    def _kept(self) -> list[tuple[QuerySet, str]]:
        return [(model._base_manager.filter(**{field: self.user.pk}), field) for model, field in REASSIGNED]

    def _versions(self) -> QuerySet[Context]:
        return Context.objects.filter(metadata__user=self.user.pk)

    def _create_placeholder(self) -> User:
        placeholder = User(username=self.placeholder_name, date_joined=self.user.date_joined, is_active=False)
        placeholder.set_unusable_password()
        placeholder.save(force_insert=True)
        return placeholder


def reassign_before_delete(sender: type[User], instance: User, **_) -> None:
    """Reassign an account's history before it is deleted (a `pre_delete` receiver: Django sends it for each row)."""
    Account(instance).reassign_history()
