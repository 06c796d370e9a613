"""The demo shop's page in a browser: what its tests look at, and do."""

import pytest
from playwright.sync_api import Locator, Page

NARROW = {"width": 360, "height": 800}
# The device's clock is an hour fast: `new Date()` and `Date.now()`.
WRONG_CLOCK = """
const RightDate = Date;
globalThis.Date = class extends RightDate {
  constructor(...parts) { parts.length ? super(...parts) : super(Date.now()); }
  static now() { return RightDate.now() + 3600_000; }
};
"""
# What the policy refused; the browser reports it to the page as well.
VIOLATIONS = """
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""
REFUSALS = r"status of (402|409|429|503)|ERR_INTERNET_DISCONNECTED|ERR_FAILED"


def card(page: Page, name: str) -> Locator:
    """Return the card of the product whose name has this part."""
    return page.locator(".card", has_text=name)


def step(page: Page, name: str) -> None:
    """Wait until the purchase is at a step."""
    page.wait_for_selector(f"#purchase[data-step={name}]:not([hidden])")


def seconds(text: str) -> int:
    """Return the seconds that a countdown shows."""
    days, _, clock = text.rpartition(" d ")
    total = 0
    for part in clock.split(":"):
        total = total * 60 + int(part)
    return total + int(days or 0) * 86_400


def press_until(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus; fails where the keyboard does not reach it."""
    for _ in range(30):
        if page.evaluate(f"document.activeElement.matches({selector!r})"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} is not reached")
