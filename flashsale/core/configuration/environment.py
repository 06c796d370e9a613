"""Variables of the environment, `.env` and secret files: parsed with a type and bounds, refused in one sentence.

A value is stripped of surrounding white space; an empty one counts as unset. Where NAME_FILE is set, NAME is the
content of that file. A refusal names the variable and what is expected, never the value, which may be a secret.
"""

import os
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parents[3]
MAX_PORT = 2**16 - 1
YES, NO = frozenset({"1", "true", "yes", "on", "y"}), frozenset({"0", "false", "no", "off", "n"})
MAX_DIGITS = 18

HOST = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])"
HOST_OR_PATTERN = re.compile(rf"\*|\.?{HOST}", re.IGNORECASE)
ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://{HOST}(?::\d{{1,5}})?", re.IGNORECASE)
ORIGIN_OR_PATTERN = re.compile(rf"https?://(?:\*\.)?{HOST}(?::\d{{1,5}})?", re.IGNORECASE)
PRINTABLE = re.compile(r"[!-~]+")
DSN = re.compile(rf"https?://[A-Za-z0-9]{{1,64}}@{HOST}(?::\d{{1,5}})?(?:/[\w-]+)*/\d{{1,20}}", re.ASCII)
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,63}")
PAYMENT_LINK = re.compile(r"plink_[A-Za-z0-9_]+")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Misconfigured(ImproperlyConfigured):
    """A variable has no usable value; the message is for people."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"{name} {expected}.")


def state_dir() -> Path:
    """Return the folder of the local system, `STATE_DIR`."""
    return Path(os.environ.get("STATE_DIR", "").strip() or BASE_DIR / ".state").absolute()


def env_file() -> Path:
    """Return the file that may add variables to the environment, `ENV_FILE`."""
    return Path(os.environ.get("ENV_FILE", "").strip() or BASE_DIR / ".env")


def read_env_file(path: Path) -> None:
    """Add the variables of a file to the environment, which wins; neither a missing file nor an empty value adds any.

    A line is NAME=value, empty, or a comment that begins with `#`. One pair of quotes around a value does not belong to
    it; within double ones `\"` and `\\\\` mean `"` and `\\`.
    """
    try:
        if not path.is_file():
            return
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise Misconfigured(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(str(path), "cannot be read: it must be UTF-8") from None
    for name, value in _variables_in(path, lines).items():
        os.environ.setdefault(name, value)


def _variables_in(path: Path, lines: list[str]) -> dict[str, str]:
    values = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if (match := _LINE.fullmatch(line)) is None:
            raise Misconfigured(f"{path}, line {number},", "must be NAME=value, or a comment that begins with #")
        values[match[1]] = _unquoted(match[2].strip())
    return {name: value for name, value in values.items() if value}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1]
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", value[1:-1])
    return value


def _raw(name: str) -> str:
    """Return a variable's value, empty where unset. It is stripped in `os.environ` too, because libraries read that."""
    if path := os.environ.get(f"{name}_FILE", "").strip():
        os.environ.pop(name, None)
        return _in_file(f"{name}_FILE", Path(path))
    value = os.environ.get(name, "").strip()
    if name in os.environ:
        os.environ[name] = value
    return value


def _single_line(name: str) -> str:
    value = _raw(name)
    if _CONTROL.search(value):
        raise Misconfigured(name, "must be one line without control characters")
    return value


def _in_file(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise Misconfigured(name, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(name, "cannot be read: it must be UTF-8") from None


def text(name: str, *, default: str = "", like: re.Pattern[str] | None = None, expected: str = "") -> str:
    """Return a value that matches `like` as a whole, else the variable "must be `expected`"."""
    value = _single_line(name)
    if value and like is not None and not like.fullmatch(value):
        raise Misconfigured(name, f"must be {expected}")
    return value or default


def choice(name: str, *options: str, default: str) -> str:
    """Return one of the options, compared without case."""
    value = _single_line(name) or default
    matches = [option for option in options if option.lower() == value.lower()]
    if not matches:
        raise Misconfigured(name, f"must be {', '.join(options[:-1])} or {options[-1]}")
    return matches[0]


def flag(name: str, *, default: bool) -> bool:
    """Return the boolean that a value means."""
    value = _single_line(name).lower()
    if value and value not in YES | NO:
        raise Misconfigured(name, "must be 1 or 0 (or true, false, yes, no, on, off)")
    return value in YES if value else default


def name_in_use(name: str, *, formerly: str) -> str:
    """Return the name under which a renamed variable is set: the former one only where the present one is not set."""
    return name if _raw(name) or not _raw(formerly) else formerly


def whole(name: str, *, default: int, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`."""
    value = _single_line(name)
    if not value:
        return default
    is_number = re.fullmatch(rf"-?[0-9]{{1,{MAX_DIGITS}}}", value)
    if not is_number or not least <= int(value) <= most:
        raise Misconfigured(name, f"must be a whole number from {least} to {most}")
    return int(value)


def items(name: str, *, default: Sequence[str] = (), like: re.Pattern[str], expected: str) -> list[str]:
    """Return the comma-separated items, each matching `like` as a whole; empty items are ignored."""
    values = [item for part in _raw(name).split(",") if (item := part.strip())]
    if not all(like.fullmatch(item) for item in values):
        raise Misconfigured(name, f"must be {expected}, separated by commas")
    return values or list(default)


def time_zone(name: str, *, default: str) -> str:
    """Return the name of a time zone that this machine knows."""
    value = _single_line(name) or default
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise Misconfigured(name, "must be the name of a time zone, such as Europe/Berlin") from None
    return value


def address(name: str, *, default: str) -> str:
    """Return an IP address to listen on."""
    value = _single_line(name) or default
    try:
        ip_address(value)
    except ValueError:
        raise Misconfigured(name, "must be an IP address, such as 127.0.0.1") from None
    return value


def new_file(name: str) -> str:
    """Return the path of a file that can be created: its folder exists."""
    value = _single_line(name)
    if value and not Path(value).absolute().parent.is_dir():
        raise Misconfigured(name, "must be the path of a file in a folder that exists")
    return value


def folder(name: str) -> str:
    """Return the path of a folder, which is created where it does not exist; empty where unset."""
    value = _single_line(name)
    if not value:
        # Some libraries check only whether the variable is set.
        os.environ.pop(name, None)
        return value
    try:
        Path(value).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(name, f"must be the path of a folder that can be used: {error.strerror}") from None
    return value


def http_url(name: str, *, default: str, is_secure: bool) -> str:
    """Return the address of a server, without a path; `is_secure` asks for https."""
    schemes = "https" if is_secure else "https?"
    like = re.compile(rf"{schemes}://{HOST}(?::\d{{1,5}})?/?", re.IGNORECASE)
    example = "https://api.example.com" if is_secure else "http://127.0.0.1:8001"
    return text(name, default=default, like=like, expected=f"an address such as {example}").rstrip("/")


def each(name: str, values: Sequence[str], parse: Callable[[str], Any]) -> list[Any]:
    """Return each value parsed; the message of `parse`'s `ValueError` must not quote it."""
    try:
        return [parse(value) for value in values]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from None
