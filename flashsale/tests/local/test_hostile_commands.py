"""A wrong option or variable of a command is one sentence on stderr and an exit code, and never a traceback."""

import io
import itertools

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError, OutputWrapper

from catalog.models import Product
from flashsale.local import env_file

HOSTILE = {
    "nothing": "",
    "a word": "abc",
    "zero": "0",
    "negative": "-1",
    "a fraction": "1.5",
    "30 digits": "9" * 30,
    "more digits than Python converts": "9" * 5_000,
    "a price beyond all columns": "1e30",
    "a price longer than memory": "1e999999999",
    "larger than Decimal has": "1e99999999999999999999",
    "tiny": "1e-999999",
    "NaN": "NaN",
    "signaling NaN": "sNaN",
    "infinity": "Infinity",
    "the last moment": "9999-12-31T23:59:59-05:00",
    "a long text": "x" * 100_000,
    "not UTF-8": b"\xff\xfe".decode(errors="surrogateescape"),
    "not ASCII": "Schlüssel",
    "an address without a host": "http://",
    "an address with no port": "http://127.0.0.1:abc",
    "a port that is none": "http://127.0.0.1:99999999",
    "brackets": "http://[::1",
    "another protocol": "ftp://127.0.0.1",
    "a line end": "a\nb",
    "a folder that is none": "/nonexistent/folder",
    "a file": "/etc/hostname",
}
# Each command's options that are right, so that only one is wrong at a time.
RIGHT = {
    "add_product": {"--name": "Widget", "--price": "1", "--currency": "USD", "--stock": "1"},
    "send_webhook": {"--url": "http://127.0.0.1:9", "--payment-id": "pay_1", "--amount": "1", "--currency": "USD"},
    "simulate_sale": {"--url": "http://127.0.0.1:9", "--shoppers": "1", "--stock": "1"},
    "describe_api": {},
    "make_token": {"--name": "ERP"},
    "unlock_logins": {},
    "remove_two_factor": {"--name": "ann"},
    "reconcile_payments": {},
}
# Options that accept any text; an empty address of a picture is none.
TAKE_TEXT = {
    "--name", "--description", "--max-per-customer", "--max-per-hold", "--stock", "--price", "--into", "--sku",
    "--image-url",
}  # fmt: skip
WITHOUT_OPTIONS = {"audit_stock", "payments_due", "refresh_availability", "refunds_due", "seed_demo", "up"}


def ours() -> list[str]:
    apps = ("flashsale", "catalog", "checkout", "payments")
    return sorted(name for name, app in get_commands().items() if app in apps)


def options_of(name: str) -> list[str]:
    """Return the options that only this command has, and that take a value."""
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    common = {"--settings", "--pythonpath", "--verbosity", "--help", "--version"}
    taking = [action for action in parser._actions if action.option_strings and action.nargs != 0]
    return [action.option_strings[-1] for action in taking if not common & set(action.option_strings)]


def refusal_of(name: str, options: dict[str, str]) -> str | None:
    """Run a command and return the sentence with which it ends, or None; any other exception is a traceback."""
    command = load_command_class(get_commands()[name], name)
    command.stdout = OutputWrapper(io.StringIO())
    parser = command.create_parser("manage.py", name)
    try:
        given = vars(parser.parse_args([f"{option}={value}" for option, value in options.items()]))
        command.execute(*given.pop("args", ()), **given)
    except CommandError as error:
        return str(error)
    return None


def test_every_command_with_options_is_tried():
    assert set(ours()) == set(RIGHT) | WITHOUT_OPTIONS
    assert not [name for name in WITHOUT_OPTIONS if options_of(name)]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_wrong_option_is_a_sentence(db, monkeypatch, tmp_path, settings, name, value):
    """A value that some text option takes ends at the server that is not there, or adds a product."""
    settings.STANDARD_WEBHOOK_KEYS = [b"key"]
    monkeypatch.chdir(tmp_path)
    providers = ["standard", "stripe"] if name == "send_webhook" else [""]
    for option, provider in itertools.product(options_of(name), providers):
        given = RIGHT[name] | ({"--provider": provider} if provider else {}) | {option: value}

        refusal = refusal_of(name, given)

        assert refusal or option in TAKE_TEXT, option
        assert len((refusal or "").splitlines()) <= 1
        assert len(refusal or "") < 1_000 or name == "send_webhook" or value in refusal


@pytest.mark.parametrize(
    ("option", "value"),
    [("--price", "1e30"), ("--price", "1e999999999"), ("--stock", str(2**31)), ("--max-per-hold", "9" * 30),
     ("--ends-at", "9999-12-31T23:59:59-05:00"), ("--name", HOSTILE["not UTF-8"]), ("--name", "x" * 201)],
)  # fmt: skip
def test_a_product_that_cannot_be_is_refused(db, option, value):
    assert refusal_of("add_product", RIGHT["add_product"] | {option: value})
    assert not Product.objects.exists()


@pytest.mark.parametrize("rate", ["0", "-1", "1000001"])
def test_a_rate_of_admission_that_cannot_be_is_refused(db, rate):
    refusal = refusal_of("simulate_sale", RIGHT["simulate_sale"] | {"--admission-rate": rate})

    assert refusal == "--admission-rate must be 1 to 1000000 buyers a second."
    assert not Product.objects.exists()


@pytest.mark.parametrize("port", ["0", "65536", "abc", "-1", "9" * 5_000, "٨٠٠٠", "80 00"])
def test_an_invalid_port_is_a_sentence(monkeypatch, tmp_path, port):
    monkeypatch.setenv("PORT", port)

    with pytest.raises(env_file.CannotStart, match="PORT must be a whole number"):
        env_file.resolve_port(tmp_path)
