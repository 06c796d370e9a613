"""What each kind of event does to its order and its money."""

from payments.inbox.rules.judging import apply_accepted, judge, on_receipt
from payments.inbox.rules.successes import Facts, facts_query, pay_plain
from payments.inbox.rules.verdicts import Verdict

__all__ = ["Facts", "Verdict", "apply_accepted", "facts_query", "judge", "on_receipt", "pay_plain"]
