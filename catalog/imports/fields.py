"""Parses the cells of a CSV file of products: ambiguous values are refused."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Field
from django.utils import timezone

from catalog.models import DEFAULT_MAX_PER_HOLD, Product
from catalog.queue_columns import MAX_ADMISSION_RATE, Queue
from flashsale.core import moments, money
from flashsale.core.limits import MAX_INTEGER

# An imported description must fit in the edit form, whose size is limited (`DATA_UPLOAD_MAX_MEMORY_SIZE`): an encoded
# character takes at most 12 bytes.
MAX_DESCRIPTION_LENGTH = 20_000
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?", re.ASCII | re.IGNORECASE
)


class WholeNumber(forms.IntegerField):
    """Digits only: "1.000" is a thousand in some countries and one in others."""

    def to_python(self, value: Any) -> int | None:
        if value not in self.empty_values and not _WHOLE.fullmatch(value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class Amount(forms.DecimalField):
    """Digits, perhaps with a decimal point; no thousands separators, no exponent."""

    def to_python(self, value: Any) -> Any:
        if value not in self.empty_values and not _DECIMAL.fullmatch(value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class Moment(forms.DateTimeField):
    """ISO 8601 (RFC 3339 with a few liberties); without an offset it is in the shop's time zone.

    Source: https://www.rfc-editor.org/rfc/rfc3339#section-5.6
    """

    default_error_messages = {
        "invalid": "Write a date as 2030-01-31 12:00, or with an offset as 2030-01-31T12:00:00+01:00.",
        "unknown": "This date or time does not exist.",
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        if not _MOMENT.fullmatch(value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            parsed = datetime.fromisoformat(value.upper().replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
            moment = moments.from_wall(parsed) if parsed.tzinfo is None else parsed
            # The preview shows both; at the limits of `datetime` one of them may not be representable.
            _ = moment.astimezone(UTC), timezone.localtime(moment)
        except (ValueError, OverflowError) as error:
            raise ValidationError(self.error_messages["unknown"], code="unknown") from error
        return moment


class QueueSwitch(forms.ChoiceField):
    """On or off, in small letters or capitals, as spreadsheets change them; an empty cell is off."""

    default_error_messages = {"invalid_choice": "Write on or off."}

    def __init__(self) -> None:
        super().__init__(choices=Queue.choices, required=False)

    def to_python(self, value: Any) -> str:
        return super().to_python(value).lower() or Queue.OFF


def _model_form_field(name: str) -> forms.Field:
    column = Product._meta.get_field(name)
    field = column.formfield() if isinstance(column, Field) else None
    if field is None:
        raise LookupError(f"{name} cannot be edited")
    return field


class RowForm(forms.Form):
    """Validates one line: its text becomes columns, or error messages, the model's own among them. Lines are compared
    with each other, and with stored products, by `files`.

    Not a `ModelForm`, which queries the database for each constraint of each line: minutes for a long file.
    """

    name = _model_form_field("name")
    price = Amount(max_digits=14, decimal_places=money.DECIMAL_PLACES, min_value=money.SMALLEST)
    currency = _model_form_field("currency")
    stock = WholeNumber(min_value=0, max_value=MAX_INTEGER)
    sku = _model_form_field("sku")
    description = forms.CharField(max_length=MAX_DESCRIPTION_LENGTH, required=False)
    image_url = _model_form_field("image_url")
    max_per_hold = WholeNumber(min_value=1, max_value=MAX_INTEGER, required=False)
    max_per_customer = WholeNumber(min_value=1, max_value=MAX_INTEGER, required=False)
    sale_starts_at = Moment(required=False)
    sale_ends_at = Moment(required=False)
    queue = QueueSwitch()
    queue_opens_at = Moment(required=False)
    admission_rate_max = WholeNumber(min_value=1, max_value=MAX_ADMISSION_RATE, required=False)

    def clean_max_per_hold(self) -> int:
        limit: int | None = self.cleaned_data["max_per_hold"]
        return DEFAULT_MAX_PER_HOLD if limit is None else limit

    def clean(self) -> dict[str, Any]:
        super().clean()
        self._refuse_thousands_separators()
        for name, errors in self._model_errors().items():
            self.add_error(None if name == NON_FIELD_ERRORS else name, errors)
        return self.cleaned_data

    def _refuse_thousands_separators(self) -> None:
        price, currency = self.cleaned_data.get("price"), self.cleaned_data.get("currency", "").upper()
        text = str(self.data.get("price", ""))
        if price is not None and money.is_currency(currency) and _looks_like_thousands(text, price, currency):
            whole, _, decimals = text.partition(".")
            self.add_error("price", f"This may mean {whole} or {whole}{decimals}: write it without a separator.")

    def _model_errors(self) -> dict[str, list[ValidationError]]:
        """Return the model's errors for the fields that are valid by themselves.

        The form's fields and the model's `clean` check every constraint of the model. Only a line whose sale ends
        too early queries the database. The INSERT checks all constraints.
        """
        columns = {name: value for name, value in self.cleaned_data.items() if name != "stock"}
        starts, ends = columns.get("sale_starts_at"), columns.get("sale_ends_at")
        ends_too_early = bool(starts and ends and starts >= ends)
        try:
            Product(**columns).full_clean(exclude=set(self.errors), validate_constraints=ends_too_early)
        except ValidationError as error:
            return {name: errors for name, errors in error.error_dict.items() if name not in self.errors}
        return {}


def preview_of(columns: dict[str, Any]) -> dict[str, str]:
    """Return the text that the preview shows for a valid line, by column, with the defaults of its empty cells."""
    currency = columns["currency"].upper()
    return {
        "name": columns["name"],
        "price": money.written(columns["price"], currency),
        "stock": str(columns["stock"]),
        "sku": columns["sku"] or "",
        "description": columns["description"],
        "image_url": columns["image_url"] or "",
        "max_per_hold": str(columns["max_per_hold"]),
        "max_per_customer": str(columns["max_per_customer"] or "no limit"),
        "sale_starts_at": _text_of(columns["sale_starts_at"], "at once"),
        "sale_ends_at": _text_of(columns["sale_ends_at"], "never"),
        "queue": columns["queue"],
        "queue_opens_at": _text_of(columns["queue_opens_at"], "at once" if columns["queue"] == Queue.ON else ""),
        "admission_rate_max": str(columns["admission_rate_max"] or "no limit"),
    }


def _text_of(moment: datetime | None, empty: str) -> str:
    return empty if moment is None else moments.in_words(moment)


def _looks_like_thousands(text: str, price: Decimal, currency: str) -> bool:
    """Say whether a price has three decimals, more than its currency has, the surplus being zeros: 1.500 USD."""
    decimals = text.partition(".")[2]
    return len(decimals) == money.DECIMAL_PLACES > money.exponent_of(currency) and money.fits(price, currency)
