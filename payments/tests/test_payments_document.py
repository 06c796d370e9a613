"""The table in docs/payments.md is what the tests show."""

from flashsale.tests.support.processes import PROJECT
from payments.tests.support.matrix import NAMES, STATES, expected

HEADER = """| on an order | event | outcome | order afterwards | units (reserved, sold) | payments |
|---|---|---|---|---|---|"""
EVENTS = {"success": NAMES, "failure": NAMES, "refunded": NAMES, "anything else": ["pay_1"]}
SHOWN = {"paid by pay_1": "paid", "evt": "event id"}


def rendered() -> str:
    """Return the table for an order that knows its payment as `pay_1`, from what the tests expect."""
    lines = [HEADER]
    for state in STATES[:-1]:
        for status, names in EVENTS.items():
            for named in names:
                after = expected(state, "pay_1", status, named)
                event = f"{status}, `{named}`" if named else f"{status}, no payment id"
                money = ", ".join(f"`{SHOWN.get(key, key)}` {value}" for key, value in after.payments.items()) or "-"
                lines.append(
                    f"| {SHOWN.get(state, state)} | {event} | `{after.outcome}` | `{after.status}` |"
                    f" {after.reserved}, {after.sold} | {money} |"
                )
    return "\n".join(lines)


def test_the_table_of_every_event_in_every_state_is_true():
    assert rendered() in (PROJECT / "docs" / "payments.md").read_text()
