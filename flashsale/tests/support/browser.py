"""Pytest plugin: pages in Debian's Chromium; console errors and requests to other hosts fail the test.

All pages of a test process are in one browser, each in a context of its own: they share no cookies and no cache.
"""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from typing import ClassVar, Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, sync_playwright

from flashsale.tests.support.processes import TEST, WAIT_SECONDS

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
# The texts of a list's cells that are wider than their cells.
CUT_OFF = """
[...document.querySelectorAll('#result_list .data-row > *')].filter(cell => cell.scrollWidth > cell.clientWidth)
    .map(cell => cell.innerText.trim()).filter(text => text)
"""
# htmx reports a request that the next page broke off as two errors; a request that failed has a third.
BROKEN_OFF = re.compile("htmx:(afterRequest|sendAbort)")
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Runs a test at both widths and in both themes.
VIEWS = pytest.mark.parametrize(
    ("viewport", "colors"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop, light", "phone, dark"]
)


def tool(name: str) -> str:
    """Return the path of a program that pip cannot bring; without it the test is skipped, and fails in CI."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return path


def log_in_as(page: Page, user: AbstractUser) -> None:
    """Give the page's browser a session of this member of staff."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.goto("/livez")
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": page.url}])


class _Chromium:
    """The browser of this test process, started by its first page. Between pages, its event loop stands still."""

    _playwright: ClassVar[Playwright | None] = None
    _browser: ClassVar[Browser | None] = None
    _loop: ClassVar[asyncio.AbstractEventLoop | None] = None

    @classmethod
    @contextlib.contextmanager
    def used(cls) -> Iterator[Browser]:
        """Run the browser's event loop in this thread, which also asks the database."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
            try:
                asyncio._set_running_loop(cls._loop)
                if not (cls._browser and cls._browser.is_connected()):
                    cls._start()
                yield cls._browser
            finally:
                # While an event loop runs, Django gives this thread connections of their own.
                connections.close_all()
                asyncio._set_running_loop(None)

    @classmethod
    def _start(cls) -> None:
        executable = tool("chromium")
        cls.stop()
        with pytest.MonkeyPatch.context() as environment:
            # It belongs to no test: see `flashsale.tests.support.leftovers`.
            environment.delenv(TEST, raising=False)
            cls._playwright = sync_playwright().start()
            cls._loop = asyncio.get_running_loop()
            cls._browser = cls._playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)

    @classmethod
    def stop(cls) -> None:
        """Stop it, where it runs."""
        if cls._playwright:
            asyncio._set_running_loop(cls._loop)
            cls._playwright.stop()
        cls._playwright = cls._browser = cls._loop = None


def pytest_sessionfinish() -> None:
    """Stop the browser after the last test."""
    _Chromium.stop()


@contextlib.contextmanager
def open_page(
    base_url: str,
    *,
    viewport: dict[str, int] = DESKTOP,
    colors: Literal["light", "dark"] = "light",
    zone: str = "UTC",
    tolerated: str = "(?!)",
    also: tuple[str, ...] = (),
) -> Iterator[Page]:
    """Open an empty page of a browser in the time zone `zone`; fails at the end if any page had an error.

    Console errors that match the regular expression `tolerated` are those that the test itself causes; addresses that
    begin with one of `also` may be asked too.
    """
    wrong: list[str] = []

    def read(line: ConsoleMessage) -> None:
        if line.type == "error" and not (re.search(tolerated, line.text) or BROKEN_OFF.fullmatch(line.text)):
            wrong.append(f"console: {line.text}")

    def look_at(request: Request) -> None:
        if not request.url.startswith((base_url, *also, "data:", "blob:", "about:")):
            wrong.append(f"request to {request.url}")

    with (
        _Chromium.used() as browser,
        contextlib.closing(
            browser.new_context(viewport=viewport, base_url=base_url, color_scheme=colors, timezone_id=zone)
        ) as context,
    ):
        context.set_default_timeout(1000 * WAIT_SECONDS)
        context.on("request", look_at)
        context.on("weberror", lambda failure: wrong.append(f"error: {failure.error}"))
        context.on("console", read)
        page = context.new_page()
        yield page
        # Stops the pages that refresh themselves before the test's database is emptied.
        page.goto("about:blank")
    assert wrong == [], wrong


def assert_fits(page: Page) -> None:
    """Fail where the page is wider than its window."""
    width, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= window, f"{page.url} is {width} px wide in a window of {window} px"


def cut_off_in(page: Page) -> list[str]:
    """Return the texts of a list's cards that are not shown in full on a phone."""
    return page.evaluate(CUT_OFF)
