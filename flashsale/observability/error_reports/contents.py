"""What a report contains: a list of what is kept, and messages of exceptions without what clients sent.

Source: https://develop.sentry.dev/sdk/data-model/event-payloads/
"""

import re
from typing import Any

Json = dict[str, Any]

# Not among them: request, user, breadcrumbs, extra, modules.
KEPT = (
    "event_id", "timestamp", "platform", "level", "logger", "transaction", "exception", "tags", "contexts", "sdk",
    "environment", "release", "server_name",
)  # fmt: skip
KEPT_CONTEXTS = ("trace",)
KEPT_OF_EXCEPTION = ("type", "module", "value", "mechanism", "stacktrace", "thread_id")
MAX_MESSAGE_LENGTH = 300

_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
# Names in PostgreSQL's messages; other quoted text is a value.
_NAMED = r"(?P<kind>relation|constraint|column|table|index|function|role|database|schema) \"[\w.]+\""
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"?|(?<!\w)'(?:[^'\\]|\\.|'(?=\w))*'?|`[^`]*`?"
_NAMES_AND_VALUES = re.compile(f"{_NAMED}|{_QUOTED}")
_PATTERNS = (
    # Ids and keys of payment providers.
    r"\b[a-z]{2,10}_(?:test_|live_|secret_)?[A-Za-z0-9]{6,}[\w-]*",
    # Tokens, mail addresses, long numbers, query strings, hashes.
    r"\bBearer \S+", r"\S+@\S+", r"\b\d{9,}\b", r"\?\S+", r"\b[\w+/=-]{32,}",
)  # fmt: skip
_SECRETS = re.compile("|".join(_PATTERNS))


def scrubbed(event: Json) -> Json:
    """Return an event with nothing but what `KEPT` names."""
    kept = {name: event[name] for name in KEPT if event.get(name)}
    contexts = {name: value for name, value in kept.pop("contexts", {}).items() if name in KEPT_CONTEXTS}
    exceptions = [_scrubbed_exception(one) for one in kept.get("exception", {}).get("values", [])]
    return kept | {"contexts": contexts, "exception": {"values": exceptions}}


def _scrubbed_exception(exception: Json) -> Json:
    kept = {name: exception[name] for name in KEPT_OF_EXCEPTION if exception.get(name) is not None}
    kept["value"] = message_without_values(str(kept.get("value", "")))
    mechanism = kept.get("mechanism") or {}
    kept["mechanism"] = {name: value for name, value in mechanism.items() if name not in {"meta", "data"}}
    for frame in (kept.get("stacktrace") or {}).get("frames", []):
        frame.pop("vars", None)
    return kept


def message_without_values(message: str) -> str:
    """Return the first line of an exception's message, without ids and quoted values, which clients may have sent."""
    first_line = message.strip().partition("\n")[0]
    named = _NAMES_AND_VALUES.sub(lambda match: match[0] if match["kind"] else "(value)", first_line)
    return _SECRETS.sub(_unless_a_name, _ID.sub("(id)", named))[:MAX_MESSAGE_LENGTH]


def _unless_a_name(match: re.Match[str]) -> str:
    """Keep words of programs, such as names of tables; digits or capitals among them make an id."""
    text = match[0]
    return text if re.fullmatch(r"[a-z]+(?:_[a-z]+)*", text) else "(value)"
