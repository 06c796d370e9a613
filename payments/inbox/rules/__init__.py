"""What each kind of event does to its order and its money."""

from payments.inbox.rules.judging import apply_accepted, judge, on_receipt
from payments.inbox.rules.successes import pay_plain
from payments.inbox.rules.verdicts import Verdict

__all__ = ["Verdict", "apply_accepted", "judge", "on_receipt", "pay_plain"]
