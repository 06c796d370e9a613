"""What the page of two-factor log-in asks for: the password, a code of the app that counts, the first one of a new app.

Wrong passwords and codes are counted as at the log-in; the forms' validation raises `NameLocked` and `HashingBusy`.
"""

import re
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.widgets import BASE_INPUT_CLASSES

from flashsale.staff.logins import attempts
from flashsale.staff.logins.forms import MAX_CODE_LENGTH, MAX_PASSWORD_LENGTH

NOT_YOURS = "This is not your password."
WRONG_CODE = "This code is wrong or was used before. Enter the one that the app shows now."
TOO_FAST = "There were wrong codes a moment ago. Wait half a minute, then enter the code that the app shows then."
# The source that wrong passwords and codes of this page are counted for.
SOURCE = "two-factor page"


def _code_field(label: str) -> forms.CharField:
    attributes = {"autocomplete": "one-time-code", "inputmode": "numeric", "class": " ".join(BASE_INPUT_CLASSES)}
    return forms.CharField(max_length=MAX_CODE_LENGTH, label=label, widget=forms.TextInput(attrs=attributes))


def _password_field() -> forms.CharField:
    attributes = {"autocomplete": "current-password", "class": " ".join(BASE_INPUT_CLASSES)}
    return forms.CharField(
        max_length=MAX_PASSWORD_LENGTH, label="Your password", strip=False, widget=forms.PasswordInput(attrs=attributes)
    )


class _CountedForm(forms.Form):
    """A form whose wrong answers are counted for the account, so that they lock it."""

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, auto_id=f"id_{type(self).__name__.lower()}_%s")
        self.user = user

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            with attempts.counted_attempt(name=self.user.get_username(), source=SOURCE):
                self.verify()
        return self.cleaned_data

    def verify(self) -> None:
        """Compare what was entered. Raises `ValidationError`."""
        raise NotImplementedError


class OwnerForm(_CountedForm):
    """Asks the owner of an account for the password, and for a code where two-factor log-in is on."""

    password = _password_field()

    def __init__(self, user: User, data: Any = None, *, device: TOTPDevice | None) -> None:
        super().__init__(user, data)
        self.device = device
        if device:
            self.fields["code"] = _code_field("A code of your authenticator app")

    def verify(self) -> None:
        if not self.user.check_password(self.cleaned_data["password"]):
            raise ValidationError({"password": NOT_YOURS})
        if self.device:
            verify_code(self.device, self.cleaned_data["code"])


class FirstCodeForm(_CountedForm):
    """Asks for a code of the app that was just set up."""

    code = _code_field("The code that the app shows now")

    def __init__(self, user: User, data: Any = None, *, device: TOTPDevice) -> None:
        super().__init__(user, data)
        self.device = device

    def verify(self) -> None:
        verify_code(self.device, self.cleaned_data["code"])


def verify_code(device: TOTPDevice, code: str) -> None:
    """Compare a code; a right one cannot be used again. Raises `ValidationError`."""
    with transaction.atomic():
        # Two requests cannot use one code.
        locked = TOTPDevice.objects.select_for_update().filter(pk=device.pk).first()
        may_try, _reason = locked.verify_is_allowed() if locked else (True, None)
        is_right = locked is not None and locked.verify_token(re.sub(r"\s", "", code))
    if not may_try:
        raise ValidationError({"code": TOO_FAST})
    if not is_right:
        raise ValidationError({"code": WRONG_CODE})
