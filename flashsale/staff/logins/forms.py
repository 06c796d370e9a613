"""Logging in to the admin: a password, and a one-time code for those who have set up an authenticator app."""

from django import forms
from django.contrib.auth.models import User
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


class LogInForm(OTPAuthenticationFormMixin, AuthenticationForm):
    """Asks for the code after the password was right, and only for accounts with a confirmed device.

    Besides Django's own errors, its validation raises `NameLocked` and `HashingBusy`.
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
        # Django writes the maximum length into the page without validating it.
        self.fields["username"].validators.append(MaxLengthValidator(self.fields["username"].max_length))
        self.fields["password"].validators.append(MaxLengthValidator(MAX_PASSWORD_LENGTH))

    def clean(self) -> dict:
        if self.errors:
            return self.cleaned_data
        name = self.cleaned_data["username"]
        browser = known_browsers.browser_of(self.request, name=name)
        source = f"browser {browser}" if browser else f"address {address_of(self.request)}"
        kind = passwords.STAFF if browser else passwords.UNKNOWN_BROWSERS
        with attempts.counted_attempt(name=name, source=source), passwords.hashing_for(kind):
            cleaned_data = super().clean()
            user = self.get_user()
            if user_has_device(user):
                self.clean_otp(user)
        return cleaned_data

    def _chosen_device(self, user: User) -> Device | None:
        """Return the user's oldest confirmed device, locked; the form offers no choice."""
        return next(iter(devices_for_user(user, for_verify=True)), None)

    def _update_form(self, user: User) -> None:
        """Do nothing: the form has no choice of devices."""


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Change of one's own password. Wrong old passwords are counted; raises `NameLocked` and `HashingBusy`."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(MAX_PASSWORD_LENGTH))

    def clean_old_password(self) -> str:
        with attempts.counted_attempt(name=self.user.get_username(), source="password change"):
            return super().clean_old_password()
