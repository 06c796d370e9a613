"""What the cells of a file of products mean: nothing is guessed, and what can be read in two ways is refused."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms.utils import from_current_timezone
from django.utils import timezone

from catalog.models import DEFAULT_MAX_PER_HOLD, Product
from flashsale.core import money
from flashsale.core.limits import MAX_INTEGER

# What can be imported can be edited: an encoded character takes at most 12 bytes of a form, which has a limit
# (`DATA_UPLOAD_MAX_MEMORY_SIZE`).
MAX_DESCRIPTION_LENGTH = 20_000
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?", re.ASCII | re.IGNORECASE
)


class WholeNumber(forms.IntegerField):
    """Digits only: "1.000" is a thousand in one country and one in another."""

    def to_python(self, value: Any) -> int | None:
        if value not in self.empty_values and not _WHOLE.fullmatch(value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class Amount(forms.DecimalField):
    """Digits, perhaps with a decimal point; no separators of thousands, no exponent."""

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
        "unknown": "There is no such moment.",
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        if not _MOMENT.fullmatch(value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            given = datetime.fromisoformat(value.upper().replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
            moment = from_current_timezone(given)
            # Both are shown: a moment at the end of time may have only one of them.
            _ = moment.astimezone(UTC), timezone.localtime(moment)
        except (ValueError, OverflowError) as error:
            raise ValidationError(self.error_messages["unknown"], code="unknown") from error
        return moment


def _as_in_the_model(name: str) -> forms.Field:
    return Product._meta.get_field(name).formfield()


class RowForm(forms.Form):
    """One line: text becomes columns, or sentences about what is wrong, the model's own among them.

    Not a `ModelForm`, which asks the database about each constraint for each line: minutes for a long file.
    """

    name = _as_in_the_model("name")
    price = Amount(max_digits=14, decimal_places=money.DECIMAL_PLACES, min_value=money.SMALLEST)
    currency = _as_in_the_model("currency")
    stock = WholeNumber(min_value=0, max_value=MAX_INTEGER)
    description = forms.CharField(max_length=MAX_DESCRIPTION_LENGTH, required=False)
    max_per_hold = WholeNumber(min_value=1, max_value=MAX_INTEGER, required=False)
    max_per_customer = WholeNumber(min_value=1, max_value=MAX_INTEGER, required=False)
    sale_starts_at = Moment(required=False)
    sale_ends_at = Moment(required=False)

    def clean_max_per_hold(self) -> int:
        given = self.cleaned_data["max_per_hold"]
        return DEFAULT_MAX_PER_HOLD if given is None else given

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        self._refuse_separators_of_thousands()
        for name, errors in self._found_by_the_model().items():
            self.add_error(None if name == NON_FIELD_ERRORS else name, errors)
        return given

    def _refuse_separators_of_thousands(self) -> None:
        price, currency = self.cleaned_data.get("price"), self.cleaned_data.get("currency", "").upper()
        text = str(self.data.get("price", ""))
        if price is not None and money.is_currency(currency) and _looks_like_thousands(text, price, currency):
            whole, _, decimals = text.partition(".")
            self.add_error("price", f"This may mean {whole} or {whole}{decimals}: write it without a separator.")

    def _found_by_the_model(self) -> dict[str, list[ValidationError]]:
        """Return what the model says about the fields that are right by themselves.

        Of its constraints the fields' own rules leave only the order of start and end open, so that only lines that
        break it ask the database. All of them stand behind the INSERT.
        """
        given = {name: value for name, value in self.cleaned_data.items() if name != "stock"}
        starts, ends = given.get("sale_starts_at"), given.get("sale_ends_at")
        is_backwards = bool(starts and ends and starts >= ends)
        try:
            Product(**given).full_clean(exclude=set(self.errors), validate_constraints=is_backwards)
        except ValidationError as error:
            return {name: errors for name, errors in error.error_dict.items() if name not in self.errors}
        return {}


def understood(columns: dict[str, Any]) -> dict[str, str]:
    """Return how a right line reads to people, by column, with what its empty cells mean."""
    currency = columns["currency"].upper()
    return {
        "name": columns["name"],
        "price": f"{money.render(columns['price'], currency)} {currency}",
        "stock": str(columns["stock"]),
        "description": columns["description"],
        "max_per_hold": str(columns["max_per_hold"]),
        "max_per_customer": str(columns["max_per_customer"] or "no limit"),
        "sale_starts_at": _told(columns["sale_starts_at"]) or "at once",
        "sale_ends_at": _told(columns["sale_ends_at"]) or "never",
    }


def _told(moment: datetime | None) -> str:
    """Return a moment in the shop's time zone, which is named, and in UTC; empty for none."""
    if moment is None:
        return ""
    in_utc = f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ')} UTC"
    zone = timezone.get_current_timezone_name()
    return (
        in_utc
        if zone == "UTC"
        else f"{timezone.localtime(moment).replace(tzinfo=None).isoformat(' ')} {zone} = {in_utc}"
    )


def _looks_like_thousands(text: str, price: Decimal, currency: str) -> bool:
    """Say whether three digits after the point are more than the currency has, and the last ones are zeros."""
    decimals = text.partition(".")[2]
    return len(decimals) == money.DECIMAL_PLACES > money.exponent_of(currency) and money.fits(price, currency)
