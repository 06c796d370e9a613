"""The table in docs/payments.md is what the tests show."""

from flashsale.tests.processes import PROJECT
from flashsale.tests.test_webhooks import EVENTS_IN_STATES

HEADER = """| event | on an order | outcome | order afterwards | units (reserved, sold) | payments |
|---|---|---|---|---|---|"""
UNKNOWN = {"pending", "voided"}


def rendered() -> str:
    lines = [HEADER]
    for state, status, payment_id, outcome, after, (reserved, sold), payments in EVENTS_IN_STATES:
        event = "unknown status" if status in UNKNOWN else status
        named = f"`{payment_id}`" if payment_id else "no payment id"
        money = ", ".join(f"`{'event id' if key == 'evt' else key}` {value}" for key, value in payments.items()) or "-"
        lines.append(f"| {event}, {named} | {state} | `{outcome}` | `{after}` | {reserved}, {sold} | {money} |")
    return "\n".join(lines)


def test_the_table_of_events_and_states_is_true():
    assert rendered() in (PROJECT / "docs" / "payments.md").read_text()
