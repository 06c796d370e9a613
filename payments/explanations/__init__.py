"""What staff read about events and payments: sentences instead of the words that the database keeps."""

from payments.explanations.outcomes import what_happened
from payments.explanations.reasons import why, why_due
from payments.explanations.situations import Situation, read, read_all

__all__ = ["Situation", "read", "read_all", "what_happened", "why", "why_due"]
