"""A member of staff in front of a page: reads it, presses what it offers, and counts the presses."""

import contextlib
import re
from collections.abc import Iterator

from playwright.sync_api import Page

from flashsale.tests.support.browser import assert_fits


class Hand:
    """Presses links and buttons by the words on them; a page that is wider than its window fails the test."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.presses: dict[str, int] = {}
        self._task = ""

    @contextlib.contextmanager
    def task(self, name: str, *, at: str) -> Iterator[None]:
        """Count the presses of one task, which begins at a page."""
        self.open(at)
        self._task, self.presses[name] = name, 0
        yield

    def open(self, path: str) -> None:
        self.page.goto(path)
        assert_fits(self.page)

    def press(self, words: str) -> None:
        """Press the last visible link or button with exactly these words, and wait for the page that follows."""
        link, button = (self.page.get_by_role(role, name=words, exact=True) for role in ("link", "button"))
        link.or_(button).locator("visible=true").last.click()
        self.presses[self._task] += 1
        self.page.wait_for_load_state("load")
        assert_fits(self.page)

    def search(self, text: str) -> None:
        """Type into the search box of a list, and wait for what it finds."""
        self.page.fill("[name=q]", text)
        with self.page.expect_navigation():
            self.page.press("[name=q]", "Enter")

    def read(self) -> str:
        """Return what the page says, with single blanks."""
        return re.sub(r"\s+", " ", self.page.inner_text("body"))
