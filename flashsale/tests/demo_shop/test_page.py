"""The demo shop's page without a browser: where it is, what its policy allows, and that it has words for refusals."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from flashsale.tests.support.processes import PROJECT
from flashsale.web import content_security

SCRIPT = Path(finders.find("demo_shop/shop.js")).read_text()
# What a buyer's browser calls: not the webhooks.
BUYERS_PATHS = re.compile(r"/api/v1/(products|holds|orders)\b")


def described_codes() -> set[str]:
    """Return the codes of the problems that the API's description names for a buyer's calls."""
    paths = json.loads((PROJECT / "docs/openapi.json").read_text())["paths"]
    operations = [one for path, methods in paths.items() if BUYERS_PATHS.match(path) for one in methods.values()]
    names = [
        name
        for operation in operations
        for answer in operation["responses"].values()
        for name in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    ]
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names}


def test_every_refusal_that_a_buyer_can_meet_has_a_sentence():
    sentences = re.search(r"const SENTENCES = {(.*?)^};", SCRIPT, re.DOTALL | re.MULTILINE)[1]

    assert {"insufficient_stock", "hold_expired", "throttled"} <= described_codes()
    assert described_codes() - set(re.findall(r"^  (\w+): ", sentences, re.MULTILINE)) == set()


def test_the_page_has_no_inline_script_and_no_inline_style(client, db):
    answer = client.get("/")
    page = answer.content.decode()

    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == content_security.SHOP
    assert "unsafe" not in content_security.SHOP
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:|//[\w.]", page) == []


def test_api_and_documentation_are_linked(client, db):
    page = client.get("/").content.decode()

    for path in ("/api/v1", "/api/v1/docs", "/api/v1/schema", "/problems/", "/admin/"):
        assert f'href="{path}"' in page, path


def test_the_page_is_not_sent_again_to_a_browser_that_has_it(client, db):
    tag = client.get("/").headers["ETag"]

    assert client.get("/", headers={"If-None-Match": tag}).status_code == 304


def test_a_system_without_the_shop_has_a_page_of_links(client, db, settings):
    settings.DEMO_SHOP = False

    page = client.get("/")

    assert page.status_code == 200
    for path in ("/api/v1", "/api/v1/docs", "/api/v1/schema", "/problems/", "/admin/"):
        assert f'href="{path}"' in page.content.decode(), path
    assert "demo_shop" not in page.content.decode()
    assert (client.head("/").status_code, client.post("/").status_code) == (200, 405)


@pytest.mark.parametrize(
    ("is_local", "makes_payments", "mode", "base", "kind"),
    [
        (True, True, "intent", "http://127.0.0.1:4242", "local"),
        (True, True, "intent", "https://api.stripe.com", ""),
        (True, True, "checkout", "https://api.stripe.com", "checkout"),
        (False, True, "intent", "https://api.stripe.com", ""),
        (False, True, "checkout", "https://api.stripe.com", "checkout"),
        (False, False, "checkout", "https://api.stripe.com", ""),
    ],
)
def test_it_pays_on_the_local_page_or_by_hosted_checkout(
    client, db, settings, is_local, makes_payments, mode, base, kind
):
    settings.LOCAL_MODE, settings.SHOP_MAKES_PAYMENTS = is_local, makes_payments
    settings.STRIPE_PAYMENT_MODE, settings.STRIPE_API_BASE = mode, base

    page = client.get("/").content.decode()

    assert f'data-payment="{kind}" data-provider="{base if kind == "local" else ""}"' in page


def test_the_script_reads_no_clock_of_the_device_and_builds_no_html():
    assert re.findall(r"Date\.now|new Date|innerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT) == []
