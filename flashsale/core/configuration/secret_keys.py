"""The key that signs sessions, password resets and cookies, the former keys that are accepted, and keys of tickets."""

import hashlib
import hmac
import re

from django.core.exceptions import ImproperlyConfigured

from flashsale.core.configuration import environment as env

MIN_LENGTH = 32
PLACEHOLDERS = frozenset({"change-me", "changeme", "secret", "insecure"})
_LONG_ENOUGH = re.compile(rf"[^\x00-\x1f\x7f]{{{MIN_LENGTH},}}")


def current() -> str:
    """Return `SECRET_KEY`. Raises `ImproperlyConfigured` for a missing, short or well-known one."""
    key = env.text("SECRET_KEY")
    if not _is_strong(key):
        raise ImproperlyConfigured(
            f"SECRET_KEY is missing, a default, or shorter than {MIN_LENGTH} characters. Set it to a random"
            " value (see .env.example), or start a local system with `make run`."
        )
    return key


def former() -> list[str]:
    """Return `SECRET_KEY_FALLBACKS`: they sign nothing, and what they signed is valid."""
    expected = f"former values of SECRET_KEY, each of at least {MIN_LENGTH} characters"
    keys = env.items("SECRET_KEY_FALLBACKS", like=_LONG_ENOUGH, expected=expected)
    if not all(map(_is_strong, keys)):
        raise env.Misconfigured("SECRET_KEY_FALLBACKS", f"must be {expected}, none of them a default")
    return keys


def of_queues(*secret_keys: str) -> list[str]:
    """Return `QUEUE_KEYS`, which sign tickets, the newest first; by default one is derived from each secret key."""
    expected = f"keys of at least {MIN_LENGTH} characters, separated by commas"
    keys = env.items("QUEUE_KEYS", like=_LONG_ENOUGH, expected=expected)
    if not all(map(_is_strong, keys)):
        raise env.Misconfigured("QUEUE_KEYS", f"must be {expected}, none of them a default")
    return keys or [hmac.new(key.encode(), b"tickets of queues", hashlib.sha256).hexdigest() for key in secret_keys]


def _is_strong(key: str) -> bool:
    is_default = key.lower().startswith(("django-insecure", *PLACEHOLDERS))
    return len(key) >= MIN_LENGTH and not is_default
