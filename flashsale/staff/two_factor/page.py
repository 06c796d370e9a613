"""The page on which members of staff set up, replace and remove the authenticator app of their own account."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from flashsale.core.refusals import Refusal
from flashsale.core.staff.model_admin import staff_of
from flashsale.staff.two_factor import devices
from flashsale.staff.two_factor.forms import FirstCodeForm, OwnerForm

TITLE = "Two-factor log-in"
ADDED = "Two-factor log-in is on. From now on your log-ins need a code of this app."
REMOVED = "Two-factor log-in is off. Your log-ins need the password only."
BEGIN, CONFIRM, CANCEL, REMOVE = "begin", "confirm", "cancel", "remove"


def answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Show the page, or do what one of its forms asks for; `context` is what all pages of the admin have."""
    user, step = staff_of(request), request.POST.get("step", "")
    forms = _forms_of(user, step, request.POST if request.method == "POST" else None)
    if request.method == "POST" and _do(request, user, step, forms):
        return redirect("admin:two_factor")
    device, new = devices.active(user), devices.pending(user)
    context |= {"title": TITLE, "content_title": TITLE, "device": device, "new": new, **forms}
    if new:
        context |= {"picture": devices.picture_of(new), "secret": devices.secret_of(new)}
    return TemplateResponse(request, "flashsale/two_factor.html", context)


def _forms_of(user: User, step: str, data: Any) -> dict[str, Any]:
    """Return the page's forms; the one that was sent has its data."""
    device, new = devices.active(user), devices.pending(user)
    sent = {name: data if name == step else None for name in (BEGIN, CONFIRM, REMOVE)}
    return {
        BEGIN: OwnerForm(user, sent[BEGIN], device=device),
        CONFIRM: FirstCodeForm(user, sent[CONFIRM], device=new) if new else None,
        REMOVE: OwnerForm(user, sent[REMOVE], device=device) if device else None,
    }


def _do(request: HttpRequest, user: User, step: str, forms: dict[str, Any]) -> bool:
    """Do one step; False when its form has errors."""
    form = forms.get(step)
    if form is not None and not form.is_valid():
        return False
    try:
        if step == CANCEL:
            devices.cancel(user)
        elif form is None:
            raise devices.SetUpExpired
        else:
            STEPS[step](request, user, form)
    except Refusal as refusal:
        messages.warning(request, refusal.detail)
    return True


def _begin(request: HttpRequest, user: User, form: OwnerForm) -> None:
    devices.begin(user)


def _confirm(request: HttpRequest, user: User, form: FirstCodeForm) -> None:
    devices.confirm(form.device)
    messages.success(request, ADDED)


def _remove(request: HttpRequest, user: User, form: OwnerForm) -> None:
    devices.remove_own(user)
    messages.success(request, REMOVED)


STEPS = {BEGIN: _begin, CONFIRM: _confirm, REMOVE: _remove}
