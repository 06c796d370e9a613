"""Signing in to the admin: a password, and a one-time code for those who have set up an authenticator app."""

from django import forms
from django_otp import devices_for_user, user_has_device
from django_otp.forms import OTPAuthenticationFormMixin
from django_otp.models import Device
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES


class SignInForm(OTPAuthenticationFormMixin, AuthenticationForm):
    """The code is asked for after the password was right, and only from who has a confirmed device."""

    otp_error_messages = OTPAuthenticationFormMixin.otp_error_messages | {
        "token_required": "Enter the code that your authenticator app shows now.",
        "invalid_token": "This code is wrong or was used before.",
    }

    otp_token = forms.CharField(
        required=False,
        label="Code (only with an authenticator app)",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": " ".join(BASE_INPUT_CLASSES)}
        ),
    )

    def clean(self) -> dict:
        given = super().clean()
        user = self.get_user()
        if user is not None and user_has_device(user):
            self.clean_otp(user)
        return given

    def _chosen_device(self, user) -> Device | None:
        """Return the user's oldest confirmed device, locked: one app each is enough, and nothing has to be chosen."""
        return next(iter(devices_for_user(user, for_verify=True)), None)

    def _update_form(self, user) -> None:
        """Nothing: there is no choice of devices to fill in."""
