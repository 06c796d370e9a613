"""The page to pay on."""

import httpx
import pytest

RETURN = "http://127.0.0.1:9/orders/1?tab=2"


def page_of(provider, thing, **query) -> httpx.Response:
    return httpx.get(f"{provider.url}/pay/{thing.id}", params=query)


def press(provider, thing, action: str, **fields) -> httpx.Response:
    return httpx.post(f"{provider.url}/pay/{thing.id}", data={"action": action} | fields)


def test_an_intents_page_pays_with_its_secret_and_leads_back(provider, intent):
    known = {"client_secret": intent.client_secret, "return_url": RETURN}

    page = page_of(provider, intent, **known)
    declined = press(provider, intent, "decline", **known)
    paid = press(provider, intent, "pay", **known)
    again = press(provider, intent, "pay", **known)

    assert [text in page.text for text in ("59.98 USD", "Order o1", "Shop shop-7")] == [True] * 3
    assert "No money moves" in page.text
    assert (declined.status_code, "Your card was declined." in declined.text) == (402, True)
    assert paid.status_code == 303
    assert paid.headers["location"] == f"{RETURN}&payment_intent={intent.id}&redirect_status=succeeded"
    assert (again.status_code, "This payment is paid." in again.text) == (200, True)
    assert len([one for one in provider.objects("charge") if one["payment_intent"] == intent.id and one["paid"]]) == 1


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_without_its_secret_an_intent_is_neither_shown_nor_paid(provider, intent, secret):
    answers = [page_of(provider, intent, client_secret=secret), press(provider, intent, "pay", client_secret=secret)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert provider.find(intent.id)["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/", "javascript:alert(1)", "//elsewhere.example", "http://[",
        "http://127.0.0.1@evil.example/", "http://;script-src example@127.0.0.1/",
    ],
)  # fmt: skip
def test_an_intents_page_leads_to_no_other_machine(provider, intent, target):
    known = {"client_secret": intent.client_secret, "return_url": target}

    page, paid = page_of(provider, intent, **known), press(provider, intent, "pay", **known)

    assert "example" not in page.headers["content-security-policy"]
    assert (paid.status_code, "location" in paid.headers) == (200, False)
    assert "Back to the shop" not in paid.text


def test_a_sessions_page_pays_or_leads_back(provider, stripe, new_session):
    session, other = new_session(), new_session()

    page = httpx.get(session.url)
    back = press(provider, session, "back")
    paid = press(provider, session, "pay")
    stripe.checkout.sessions.expire(other.id)
    expired = press(provider, other, "pay")

    assert "2 x Lamp &lt;b&gt;" in page.text
    assert (back.status_code, back.headers["location"]) == (303, "http://127.0.0.1:9/back")
    assert (paid.status_code, paid.headers["location"]) == (303, f"http://127.0.0.1:9/paid?session={session.id}")
    assert "has expired" in expired.text
    assert provider.find(other.id)["payment_status"] == "unpaid"


def test_the_policy_allows_the_pages_own_style_and_form_only(provider, new_session):
    policy = httpx.get(new_session().url).headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self' http://127.0.0.1:9;" in policy
    assert policy.endswith("base-uri 'none'; frame-ancestors 'none'")
