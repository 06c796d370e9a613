"""Pages in Debian's Chromium; console errors and requests to other hosts fail the test."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Page, Request, sync_playwright

from flashsale.tests.support.processes import WAIT_SECONDS

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def tool(name: str) -> str:
    """Return the path of a program that pip cannot bring; without it the test is skipped, and fails in CI."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return path


@contextlib.contextmanager
def open_page(base_url: str, *, viewport: dict[str, int] = DESKTOP) -> Iterator[Page]:
    """Open an empty page; fails at the end if any page had an error."""
    chromium = tool("chromium")
    wrong: list[str] = []

    def look_at(request: Request) -> None:
        if not request.url.startswith((base_url, "data:", "blob:", "about:")):
            wrong.append(f"request to {request.url}")

    # The browser's event loop runs in this thread, which also asks the database.
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport=viewport, base_url=base_url)
        page.set_default_timeout(1000 * WAIT_SECONDS)
        page.on("request", look_at)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda line: wrong.append(f"console: {line.text}") if line.type == "error" else None)
        try:
            yield page
        finally:
            # While its event loop runs, Django gives this thread connections of their own.
            connections.close_all()
        # Stops the pages that refresh themselves before the test's database is emptied.
        page.goto("about:blank")
        browser.close()
    assert wrong == [], wrong
