"""Refusals: the named reasons why a verb of the domain did nothing."""

from typing import Any, ClassVar


class Refusal(Exception):
    """A verb cannot act, and nothing was changed.

    `code` is the stable name that callers compare, `title` its short text for people, `detail` what happened in this
    case, and `extra` the facts a client may act on (such as the units still available). `retry_after_seconds` is set
    where asking again may help. `is_refused_claim`: a buyer wanted units of a product and did not get them, which is
    counted for staff. `flashsale.api.problem_codes` is the table of their HTTP answers.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    is_refused_claim: ClassVar[bool] = False
    retry_after_seconds: int | None = None

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    def as_value(self) -> "Refusal":
        """Return this refusal for a list of results, without its traceback.

        The frames of a traceback keep what all their local variables hold, and these hold the list: a reference cycle.
        """
        return self.with_traceback(None)


class NotFound(Refusal):
    """Nothing has this id."""

    code = "not_found"
    title = "Not found"


class IdempotencyKeyReused(Refusal):
    """The client used the Idempotency-Key before, for a request that differs."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used with another request"


class InvalidRequest(Refusal):
    """A field, header or parameter is invalid; `pointer` names it: an RFC 6901 JSON pointer as a fragment."""

    code = "invalid"
    title = "Invalid request"

    def __init__(self, detail: str, *, pointer: str, error_code: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.error_code = error_code
