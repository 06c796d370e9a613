"""The only writer of payment attempts: what is to be asked of the provider, and what its answers mean.

A request to the provider has three steps, and the process may die after each: `begin` commits a lease, the caller asks
without a transaction or a connection, `store` commits the answer. An attempt whose lease ran out is asked about again.
New attempts may be leased (`lease_new`) in the transaction that adds them.
"""

from payments.attempt_records.adding import add, new
from payments.attempt_records.answers import Answered, Stored, mark_shown, store
from payments.attempt_records.leases import Question, begin, due, lease_new
from payments.attempt_records.leaving import close_overdue, leave
from payments.attempt_records.showing import shown_payment

__all__ = [
    "Answered",
    "Question",
    "Stored",
    "add",
    "begin",
    "close_overdue",
    "due",
    "lease_new",
    "leave",
    "mark_shown",
    "new",
    "shown_payment",
    "store",
]
