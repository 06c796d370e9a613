"""What a product's SKU and the address of its picture may be."""

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

SKU_LENGTH, IMAGE_URL_LENGTH = 64, 2000
WRONG_SKU = "A SKU has printable characters only, and no blank at either end."
WRONG_IMAGE_URL = "This must be a whole address that begins with https:// or http://."
# What the database accepts at most, in the regular expressions that PostgreSQL and Python share.
STORABLE_SKU = r"^[^\u0001-\u0020\u007f-\u00a0]([^\u0001-\u001f\u007f-\u009f]*[^\u0001-\u0020\u007f-\u00a0])?$"
STORABLE_IMAGE_URL = r"^https?://[^\u0001-\u0020\u007f-\u00a0]+$"

_validate_url = URLValidator(schemes=["https", "http"], message=WRONG_IMAGE_URL)


def validate_sku(text: str) -> None:
    """Raise `ValidationError` unless the text is printable, without a blank at either end."""
    if not text.isprintable() or text != text.strip():
        raise ValidationError(WRONG_SKU, code="invalid")


def validate_image_url(text: str) -> None:
    """Raise `ValidationError` unless the text is an absolute http or https URL (RFC 3986) that names no user."""
    _validate_url(text)
    if "@" in urlsplit(text).netloc:
        raise ValidationError("An address that all buyers see names no user and no password.", code="invalid")
