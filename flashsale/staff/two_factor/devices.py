"""The authenticator apps of accounts: one that counts for each account, and one that is being set up.

A device is set up and confirmed by its owner, and removed by its owner or, when the phone is lost, by a manager. Its
secret is readable only while it is set up. Each verb locks the account first.
"""

from base64 import b32encode
from datetime import timedelta

import segno
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from flashsale.core import events
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction

# So long a device that was set up waits for its first code; afterwards the set-up begins again.
SET_UP_MINUTES = 15
NAME = "authenticator app"
SECRET_GROUP = 4


class SetUpExpired(Refusal):
    code = "set_up_expired"
    title = f"The set-up was begun more than {SET_UP_MINUTES} minutes ago, or elsewhere again. Begin again."


class DeviceOfOwner(Refusal):
    code = "device_of_owner"
    title = "Your own app is removed in the account menu, under “Two-factor log-in”."


class DeviceOfSuperuser(Refusal):
    code = "device_of_superuser"
    title = "Only a superuser removes the app of a superuser."


def active(user: User) -> TOTPDevice | None:
    """Return the device whose codes log-ins of this account need; None while two-factor log-in is off."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk").first()


def pending(user: User) -> TOTPDevice | None:
    """Return the device that is being set up, None when there is none or its set-up took too long."""
    begun_after = timezone.now() - timedelta(minutes=SET_UP_MINUTES)
    return _unconfirmed(user).filter(created_at__gt=begun_after).order_by("-pk").first()


@retrying_transaction
def begin(user: User) -> TOTPDevice:
    """Begin the set-up of a device; an unfinished set-up goes on with its secret."""
    _lock(user)
    device = pending(user)
    if device is None:
        _unconfirmed(user).delete()
        device = TOTPDevice.objects.create(user=user, name=NAME, confirmed=False)
    return device


@retrying_transaction
def cancel(user: User) -> None:
    """Give up the set-up; the device that counts stays."""
    _lock(user)
    _unconfirmed(user).delete()


@retrying_transaction
def confirm(device: TOTPDevice) -> None:
    """Let the device count instead of the account's other ones. Its code was verified. Raises `SetUpExpired`."""
    _lock(device.user)
    if not TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True):
        raise SetUpExpired
    TOTPDevice.objects.filter(user=device.user).exclude(pk=device.pk).delete()
    _record("added", device.user, by=device.user.get_username())
    _log_own(device.user, "Switched on two-factor log-in.")


@retrying_transaction
def remove_own(user: User) -> None:
    """Switch off two-factor log-in for an account; its owner's password and code were verified."""
    _lock(user)
    TOTPDevice.objects.filter(user=user).delete()
    _record("removed", user, by=user.get_username())
    _log_own(user, "Switched off two-factor log-in.")


@retrying_transaction
def remove_by_operator(user: User) -> None:
    """Switch off two-factor log-in for an account, as an operator of the server may; it is in the log only."""
    _lock(user)
    TOTPDevice.objects.filter(user=user).delete()
    _record("removed", user, by="manage.py")


@retrying_transaction_once
def remove(device: TOTPDevice, *, by: User) -> User:
    """Switch off two-factor log-in for the account of a device whose owner cannot; returns the account.

    Raises `DeviceOfOwner` and `DeviceOfSuperuser`.
    """
    owner = _lock(device.user)
    if owner == by:
        raise DeviceOfOwner
    if owner.is_superuser and not by.is_superuser:
        raise DeviceOfSuperuser
    TOTPDevice.objects.filter(user=owner).delete()
    _record("removed", owner, by=by.get_username())
    return owner


def picture_of(device: TOTPDevice) -> str:
    """Return the QR code that an authenticator app scans, as the URL of an SVG (`data:`)."""
    return segno.make(device.config_url, error="m").svg_data_uri(scale=5, border=4, light="#fff", dark="#000")


def secret_of(device: TOTPDevice) -> str:
    """Return the secret as a person types it: in Base32, in groups."""
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[start : start + SECRET_GROUP] for start in range(0, len(text), SECRET_GROUP))


def _unconfirmed(user: User) -> QuerySet[TOTPDevice]:
    return TOTPDevice.objects.filter(user=user, confirmed=False)


def _lock(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _log_own(user: User, message: str) -> None:
    """Keep in an account's history what its owner did."""
    LogEntry.objects.log_actions(user.pk, [user], CHANGE, change_message=message, single_object=True)


def _record(action: str, owner: User, *, by: str) -> None:
    events.record_on_commit("two_factor_changed", action=action, account=owner.get_username(), by=by)
