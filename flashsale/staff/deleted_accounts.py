"""What a member of staff did outlives the account: the account goes, and a stand-in keeps its name.

Rows that say who decided something reference a user. Before an account is deleted, in any way, they are handed to a
stand-in: an inactive user called "ann (deleted account 7)", without password, rights, devices or
e-mail address. A test finds references to users that stand in neither table below.
"""

import re
from dataclasses import dataclass

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from pghistory.models import Context

from catalog.models import StockAdjustment
from payments.models import Payment, WebhookEvent

# What was done: kept, under the stand-in's name.
KEPT = (
    (LogEntry, "user"),
    (StockAdjustment, "made_by"),
    (WebhookEvent, "settled_by"),
    (Payment, "refunded_by"),
)
# What belongs to the account: goes with it.
GOES = frozenset(
    {
        "otp_totp.TOTPDevice.user", "auth.User_groups.user", "auth.User_user_permissions.user",
        # Gone within a day by itself.
        "submissions.Upload.made_by",
    }
)  # fmt: skip

_NAME = "{name} (deleted account {pk})"
_STAND_IN = re.compile(r"(?P<name>.*) \(deleted account \d+\)")
_NAME_LENGTH = User._meta.get_field("username").max_length


@dataclass(frozen=True)
class Account:
    """A user with what refers to it."""

    user: User

    @property
    def is_stand_in(self) -> bool:
        """Say whether this is what was left of a deleted account. No form accepts such a name."""
        return _STAND_IN.fullmatch(self.user.username) is not None

    @property
    def stand_in_name(self) -> str:
        """Return the name under which what this account did is kept; a long one is cut."""
        match = _STAND_IN.fullmatch(self.user.username)
        name = match["name"] if match else self.user.username
        most = _NAME_LENGTH - len(_NAME.format(name="", pk=self.user.pk))
        return _NAME.format(name=name[:most], pk=self.user.pk)

    @property
    def has_history(self) -> bool:
        """Say whether anything names this account as who did it."""
        return any(rows.exists() for rows, _ in self._kept()) or self._versions().exists()

    def hand_over(self) -> None:
        """Let a stand-in have done what this account did; runs inside the transaction that deletes the account."""
        # A concurrent insert that references the account waits for this lock, and fails once the account is gone.
        is_there = User.objects.select_for_update().filter(pk=self.user.pk).first()
        if not is_there or not self.has_history:
            return
        stand_in = self._make_stand_in()
        for rows, field in self._kept():
            rows.update(**{field: stand_in})
        metadata = RawSQL("metadata || jsonb_build_object('user', %s::int)", [stand_in.pk])
        self._versions().update(metadata=metadata)

    def _kept(self) -> list[tuple[QuerySet, str]]:
        return [(model._base_manager.filter(**{field: self.user.pk}), field) for model, field in KEPT]

    def _versions(self) -> QuerySet[Context]:
        return Context.objects.filter(metadata__user=self.user.pk)

    def _make_stand_in(self) -> User:
        stand_in = User(username=self.stand_in_name, date_joined=self.user.date_joined, is_active=False)
        stand_in.set_unusable_password()
        stand_in.save(force_insert=True)
        return stand_in


def keep_history(sender: type[User], instance: User, **_) -> None:
    """Hand over what an account did before it is deleted (a `pre_delete` receiver, sent by each way to delete)."""
    Account(instance).hand_over()
