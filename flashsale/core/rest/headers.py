"""The Idempotency-Key header, and the HTTP methods that views accept."""

import re

from django.http import HttpRequest

from flashsale.core.refusals import InvalidRequest

# The `http_method_names` of views, and of the back office's: OPTIONS is not supported, and `Allow` must not name it.
HTTP_METHODS = ("get", "head", "post", "delete")
BACKOFFICE_METHODS = (*HTTP_METHODS, "patch")
IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{16,255}", re.ASCII)


def idempotency_key_of(request: HttpRequest) -> str | None:
    """Return the Idempotency-Key of a request, without surrounding quotes; None when it has none.

    Raises `InvalidRequest` unless it is 16 to 255 printable ASCII characters.
    """
    value: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if value is None:
        return None
    key = value.strip(" \t")
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest(
            "An Idempotency-Key is 16 to 255 printable ASCII characters; use a random one for each purchase.",
            pointer=f"#header/{IDEMPOTENCY_KEY_HEADER}",
            error_code="invalid",
        )
    return key
