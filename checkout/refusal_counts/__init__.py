"""How many claims were refused, by product, reason and time: counted in each web process, stored once a second.

A refusal costs no round trip: it increases a number in memory (`counting`). A thread writes the numbers in one
statement (`writing`), so that a process that is killed loses those of about a second. PostgreSQL keeps them by second
for some hours and by minute for months (`stored`).
"""

from checkout.refusal_counts.counting import counter
from checkout.refusal_counts.stored import COMPACTION_BATCH_ROWS, compact, purge
from checkout.refusal_counts.writing import writer

__all__ = ["COMPACTION_BATCH_ROWS", "compact", "counter", "purge", "writer"]
