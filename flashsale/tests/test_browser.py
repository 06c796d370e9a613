"""Pages of one browser know nothing of each other, and the tests between them nothing of the browser."""

import asyncio
import contextlib

import pytest
from django.contrib.staticfiles import finders
from playwright.sync_api import Error

from flashsale.tests.support.browser import open_page

SHOP = "http://shop.test"


@pytest.fixture
def browse():
    """Returns a function that opens a page of a shop, runs a script in it, and returns its value and the browser."""

    def run(script):
        with open_page(SHOP) as page:
            page.route("**/*", lambda route: route.fulfill(body="<title>Shop</title>", content_type="text/html"))
            page.goto("/")
            return page.evaluate(script), page.context.browser

    return run


def test_the_next_page_has_the_same_browser_and_no_cookie_and_no_stored_value(browse):
    stored = "document.cookie = 'a=1'; localStorage.a = 1; sessionStorage.a = 1; document.cookie"

    written, browser = browse(stored)
    read, same = browse("[document.cookie, localStorage.length, sessionStorage.length]")

    assert (written, read) == ("a=1", ["", 0, 0])
    assert browser is same
    assert len(browser.contexts) == 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('out of paint')", "console: out of paint"),
        ("new Promise((done) => setTimeout(() => { done(); throw Error('gone') }))", "error: gone"),
        ("fetch('http://elsewhere.test/').catch(() => 0)", "request to http://elsewhere.test/"),
    ],
)
def test_an_error_fails_its_own_page_and_not_the_next(browse, script, said):
    with pytest.raises(AssertionError, match=said):
        browse(script)

    assert browse("1")[0] == 1


HTMX_REQUEST = """
new Promise((done, failed) => {
    const script = document.createElement("script")
    script.src = "/htmx.js"
    script.onerror = failed
    script.onload = () => {
        document.body.addEventListener("htmx:afterRequest", () => setTimeout(done))
        document.body.setAttribute("hx-get", "/found")
        htmx.process(document.body)
        htmx.trigger(document.body, "click")
        if (%s) setTimeout(() => htmx.trigger(document.body, "htmx:abort"), 100)
    }
    document.head.append(script)
})
"""


@pytest.mark.parametrize(("aborted", "said"), [("true", None), ("false", "console: htmx:sendError")])
def test_a_request_of_htmx_may_be_broken_off_and_may_not_fail(aborted, said):
    expected = contextlib.nullcontext() if said is None else pytest.raises(AssertionError, match=said)

    def answer(route):
        if route.request.url.endswith("/htmx.js"):
            route.fulfill(path=finders.find("unfold/js/htmx/htmx.js"), content_type="text/javascript")
        elif not route.request.url.endswith("/found"):
            route.fulfill(body="<body>Shop</body>", content_type="text/html")
        elif aborted == "false":
            route.abort()

    with expected, open_page(SHOP) as page:
        page.route("**/*", answer)
        page.goto("/")
        page.evaluate(HTMX_REQUEST % aborted)


def test_no_event_loop_runs_between_pages_and_none_after_a_failed_one():
    with pytest.raises(ZeroDivisionError), open_page(SHOP):
        _ = 1 / 0

    assert asyncio._get_running_loop() is None


def test_a_browser_that_has_died_is_replaced(browse):
    with pytest.raises(Error), open_page(SHOP) as page:
        page.context.browser.close()

    value, browser = browse("2")

    assert (value, browser.is_connected()) == (2, True)
