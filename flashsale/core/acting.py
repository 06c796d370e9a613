"""The API token that makes a change, for the code that records who made it.

Staff's changes name their account; those of the back office API name the token, as a text that outlives the token and
its name. The back office's views set it, recorders read it: versions of products, adjustments of stock, requests for
refunds, and the log of what tokens did to rows.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import pghistory

# As long as a token's name may be.
TOKEN_NAME_LENGTH = 50
# The key of the token's name in the context that the versions of products keep.
HISTORY_KEY = "token"

_token_name: ContextVar[str] = ContextVar("token_name", default="")


def token_name() -> str:
    """Return the name of the API token that acts, "" where it is no token."""
    return _token_name.get()


@contextlib.contextmanager
def by_token(name: str) -> Iterator[None]:
    """Let the changes made inside, in this thread, name this API token."""
    reset = _token_name.set(name)
    try:
        with pghistory.context(**{HISTORY_KEY: name}):
            yield
    finally:
        _token_name.reset(reset)


def in_words(name: str) -> str:
    """Return how people read who acted: "API token ERP"."""
    return f"API token {name}"


def author(account: object | None, token: str) -> str:
    """Return who acted, in words: an account, else the API token of this name, else ""."""
    return str(account or (in_words(token) if token else ""))
