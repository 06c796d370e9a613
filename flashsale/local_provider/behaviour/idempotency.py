"""Idempotency keys: the first answer of a key is repeated for a day, a 500 included.

Not kept are answers of requests that did not begin to execute: invalid parameters, conflicts, rate limits.
Source: https://docs.stripe.com/api/idempotent_requests.
"""

import hashlib
import json

from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.behaviour.faults import FAULTS
from flashsale.local_provider.storage import ANSWER_SECONDS, Storage

MAX_KEY_LENGTH = 255


def fingerprint_of(method: str, path: str, fields: list[tuple[str, str]]) -> str:
    """Return what must be equal when a key is used again."""
    return hashlib.sha256(json.dumps([method, path, sorted(fields)]).encode()).hexdigest()


class IdempotencyKeys:
    """The keys in use and the answers of those used before. Callers hold the provider's lock."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._in_use: set[str] = set()

    def find(self, key: str, fingerprint: str, *, now: int) -> tuple[int, dict] | None:
        """Return status and body of the key's first answer, if any.

        Raises `ApiError` when the key is in use, or was used for another request.
        """
        if key in self._in_use:
            fault = FAULTS["409"]
            error = fault.body["error"]
            raise ApiError(fault.status, error["type"], error["message"], is_saved=False, code=error["code"])
        answer = self._storage.answers.get(key)
        if answer is None or answer["saved_at"] <= now - ANSWER_SECONDS:
            return None
        if answer["fingerprint"] != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            raise ApiError(400, "idempotency_error", message, is_saved=False)
        return answer["status"], answer["body"]

    def save(self, key: str, fingerprint: str, status: int, body: dict, *, now: int) -> None:
        """Keep the answer for a day."""
        saved = {"status": status, "body": body, "fingerprint": fingerprint, "saved_at": now}
        self._storage.put_answer(key, saved)

    def age(self, *, seconds: int) -> None:
        """Let time pass for the saved answers."""
        for key, answer in list(self._storage.answers.items()):
            self._storage.put_answer(key, answer | {"saved_at": answer["saved_at"] - seconds})

    def begin(self, key: str) -> None:
        """Mark the key as in use."""
        self._in_use.add(key)

    def end(self, key: str) -> None:
        """Mark the key as no longer in use."""
        self._in_use.discard(key)
