"""Signatures of the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`, with any of several secrets.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. The reference
library signs text, so that it cannot verify a body that is not UTF-8, and raises other errors on malformed headers;
this module signs the raw bytes and raises one error.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence

TOLERANCE_SECONDS = 5 * 60
# The specification asks for 24 to 64.
KEY_BYTES = 32
MAX_SIGNATURES = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every secret
ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class WrongSignature(Exception):
    """The message was not signed with any of the keys, or its timestamp is too far from now."""


def key_of(secret: str) -> bytes:
    """Return the key in a secret (`whsec_` and base64); raises `ValueError` without quoting it."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a webhook secret begins with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {SECRET_PREFIX} in a webhook secret is base64") from error
    if not key:
        raise ValueError("a webhook secret is not empty")
    return key


def new_secret() -> str:
    """Return a new random secret of `KEY_BYTES`, as `key_of` reads it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def sign(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message, such as `v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signed_headers(*keys: bytes, message_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of a body that is sent now, with a signature by each key: two while one replaces the other."""
    timestamp = str(int(time.time()))
    signatures = [sign(key, message_id=message_id, timestamp=timestamp, body=body) for key in keys]
    return {ID_HEADER: message_id, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: " ".join(signatures)}


def verify_headers(headers: Mapping[str, str]) -> None:
    """Raise `WrongSignature` when a header is missing or malformed, or the timestamp too far from now; needs no key."""
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    is_complete = headers.get(ID_HEADER) and headers.get(SIGNATURE_HEADER) and _TIMESTAMP.fullmatch(timestamp)
    if not is_complete:
        raise WrongSignature("The signature's headers are missing or malformed.")
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise WrongSignature("The message's timestamp is too far from now.")


def verify(keys: Sequence[bytes], *, body: bytes, headers: Mapping[str, str]) -> None:
    """Raise `WrongSignature` unless one of the keys signed these bytes within `TOLERANCE_SECONDS` of now."""
    verify_headers(headers)
    message_id, timestamp = headers[ID_HEADER], headers[TIMESTAMP_HEADER]
    signatures = headers[SIGNATURE_HEADER].split(" ")[:MAX_SIGNATURES]
    expected = [sign(key, message_id=message_id, timestamp=timestamp, body=body).encode() for key in keys]
    # Every pair is compared, each in constant time.
    matches = [hmac.compare_digest(own, sent.encode()) for own in expected for sent in signatures]
    if not any(matches):
        raise WrongSignature("No signature matches.")
