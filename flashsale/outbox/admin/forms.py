"""The forms in which managers register and change endpoints, and send events again."""

import json
from typing import Any, ClassVar, cast

from django import forms
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminCheckboxSelectMultipleWidget,
)

from flashsale.core.limits import MAX_ID
from flashsale.core.refusals import InvalidRequest, Refusal
from flashsale.core.staff.confirmed_actions import OptionalNoteForm
from flashsale.core.staff.theme import ModelForm
from flashsale.outbox import endpoints
from flashsale.outbox.admin.wording import TYPE_CHOICES
from flashsale.outbox.models import Endpoint

EDITED = ("url", "types", "description")
CHANGED_MEANWHILE = (
    "This endpoint was changed while this page was open, so nothing was saved. Compare the values below; saving again"
    " stores those that the form holds now."
)


class TypesField(forms.MultipleChoiceField):
    """Types of events, as boxes to tick."""

    def __init__(self, *, help_text: str) -> None:
        widget = UnfoldAdminCheckboxSelectMultipleWidget()
        super().__init__(choices=TYPE_CHOICES, required=False, widget=widget, help_text=help_text)


class EndpointForm(ModelForm):
    """An endpoint; refused when the same values were changed meanwhile."""

    types = TypesField(help_text="Which events it gets. None ticked: all, also types that later versions add.")
    shown = forms.JSONField(required=False, widget=forms.HiddenInput())

    class Meta:
        model = Endpoint
        fields = EDITED
        labels: ClassVar = {"url": "URL"}
        help_texts: ClassVar = {
            "url": "Where events are posted to: https://... What it did not get yet goes to a new URL, too.",
            "description": "What pages call it; empty: its URL.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["shown"] = _values_of(self.instance)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        entered = {name: cleaned[name] for name in self.changed_data if name in EDITED and name in cleaned}
        try:
            endpoints.check(**entered)
            if self.instance._state.adding:
                endpoints.lock_for_insertion()
            else:
                self._compare(endpoints.lock(self.instance.pk))
        except InvalidRequest as refusal:
            self.add_error(refusal.pointer.removeprefix("#/"), refusal.detail)
        except Refusal as refusal:
            self.add_error(None, refusal.detail)
        return cleaned

    def _compare(self, present: Endpoint) -> None:
        """Refuse to save over values that are not those that the page showed, and say which ones they are now."""
        shown, now = self.cleaned_data.get("shown"), _values_of(present)
        if not isinstance(shown, dict):
            return
        changed = [name for name in EDITED if name in shown and shown[name] != now[name]]
        for name in changed:
            entered = self.cleaned_data.get(name)
            said = f"It was changed from {_written(shown[name])} to {_written(now[name])}."
            self.add_error(name, f"{said} You entered {_written(entered)}.")
        if changed:
            self.add_error(None, CHANGED_MEANWHILE)
            sent = cast("QueryDict", self.data).copy()
            sent["shown"] = json.dumps(now)
            self.data = sent


class ReplayForm(OptionalNoteForm):
    """Which events are sent again, by their numbers in the feed."""

    after = forms.IntegerField(
        label="After number",
        min_value=0,
        max_value=MAX_ID,
        widget=UnfoldAdminBigIntegerFieldWidget(),
        help_text="Events with a higher number are sent again; 0: from the oldest that is kept.",
    )
    until = forms.IntegerField(
        label="Until number",
        required=False,
        min_value=0,
        max_value=MAX_ID,
        widget=UnfoldAdminBigIntegerFieldWidget(),
        help_text="The last number that is sent again. Empty: the newest.",
    )
    types = TypesField(help_text="Of these types only. None ticked: all that the endpoint gets.")
    field_order = ("after", "until", "types", "note")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        after, until = cleaned.get("after"), cleaned.get("until")
        if after is not None and until is not None and until <= after:
            self.add_error("until", "This must be a higher number than the one after which events are sent.")
        return cleaned


def _values_of(endpoint: Endpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in EDITED}


def _written(value: Any) -> str:
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value or "")) or "nothing"
