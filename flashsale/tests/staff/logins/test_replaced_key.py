"""`SECRET_KEY` is replaced while staff work: what the former key signed is valid as long as that key is listed."""

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.test import RequestFactory

from flashsale.staff.logins import known_browsers
from flashsale.tests.support.logins import log_in

NEW_KEY = "a key that replaces the other one, " * 2


@pytest.fixture
def replaced(settings):
    """A function that replaces the key, and lists the former one or forgets it."""

    def replace(*, is_listed: bool) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if is_listed else []
        settings.SECRET_KEY = NEW_KEY

    return replace


def named_in(cookies) -> str | None:
    """Return the known browser of these cookies, as ann's."""
    request = RequestFactory().get("/admin/login/")
    request.COOKIES = {name: cookie.value for name, cookie in cookies.items()}
    return known_browsers.browser_of(request, name="ann")


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "control: forgotten"])
def test_what_the_former_key_signed_is_valid_while_it_is_listed(client, ann, address, replaced, is_listed):
    assert log_in(client, address=address).status_code == 302
    browser, reset = named_in(client.cookies), default_token_generator.make_token(ann)
    signed = signing.dumps("a value", salt="a use")

    replaced(is_listed=is_listed)

    assert browser is not None
    assert named_in(client.cookies) == (browser if is_listed else None)
    assert client.get("/admin/").status_code == (200 if is_listed else 302)
    assert default_token_generator.check_token(ann, reset) is is_listed
    if is_listed:
        assert signing.loads(signed, salt="a use") == "a value"
    else:
        with pytest.raises(signing.BadSignature):
            signing.loads(signed, salt="a use")


def test_what_was_signed_since_needs_the_former_key_no_more(client, ann, address, replaced, settings):
    log_in(client, address=address)
    replaced(is_listed=True)

    # The session moves to the present key with its next use, the cookie with the next log-in.
    assert client.get("/admin/").status_code == 200
    client.post("/admin/logout/")
    log_in(client, address=address)
    settings.SECRET_KEY_FALLBACKS = []

    assert client.get("/admin/").status_code == 200
    assert named_in(client.cookies) is not None
