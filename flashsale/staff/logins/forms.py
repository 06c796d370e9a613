"""Logging in to the admin: a password, and a one-time code for those who have set up an authenticator app."""

from django import forms
from django.core.validators import MaxLengthValidator
from django_otp import devices_for_user, user_has_device
from django_otp.forms import OTPAuthenticationFormMixin
from django_otp.models import Device
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from flashsale.core.rest.client_address import address_of
from flashsale.staff.logins import attempts, known_browsers, passwords

MAX_PASSWORD_LENGTH = 4096
MAX_CODE_LENGTH = 16


class SignInForm(OTPAuthenticationFormMixin, AuthenticationForm):
    """The code is asked for after the password was right, and only for accounts with a confirmed device.

    Raises, past Django's own errors, `NameLocked` and `HashingBusy`.
    """

    otp_error_messages = OTPAuthenticationFormMixin.otp_error_messages | {
        "token_required": "Enter the code that your authenticator app shows now.",
        "invalid_token": "This code is wrong or was used before.",
    }

    otp_token = forms.CharField(
        required=False,
        max_length=MAX_CODE_LENGTH,
        label="Code (only with an authenticator app)",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": " ".join(BASE_INPUT_CLASSES)}
        ),
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # Django writes the length of a user name into the page only.
        self.fields["username"].validators.append(MaxLengthValidator(self.fields["username"].max_length))
        self.fields["password"].validators.append(MaxLengthValidator(MAX_PASSWORD_LENGTH))

    def clean(self) -> dict:
        if self.errors:
            return self.cleaned_data
        name = self.cleaned_data["username"]
        browser = known_browsers.browser_of(self.request, name=name)
        source = f"browser {browser}" if browser else f"address {address_of(self.request)}"
        kind = passwords.STAFF if browser else passwords.STRANGERS
        with attempts.counted(name=name, source=source), passwords.hashing_for(kind):
            given = super().clean()
            user = self.get_user()
            if user_has_device(user):
                self.clean_otp(user)
        return given

    def _chosen_device(self, user) -> Device | None:
        """Return the user's oldest confirmed device, locked: one app each is enough, and nothing has to be chosen."""
        return next(iter(devices_for_user(user, for_verify=True)), None)

    def _update_form(self, user) -> None:
        """Nothing: there is no choice of devices to fill in."""


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """A new password for oneself. Guesses of the old one are counted, too; raises `NameLocked` and `HashingBusy`."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(MAX_PASSWORD_LENGTH))

    def clean_old_password(self) -> str:
        with attempts.counted(name=self.user.get_username(), source="password change"):
            return super().clean_old_password()
