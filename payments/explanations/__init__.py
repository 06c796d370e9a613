"""What staff read about events and payments: sentences instead of the words that the database keeps."""

from payments.explanations.outcomes import what_happened
from payments.explanations.reasons import state_of, why, why_due
from payments.explanations.situations import Situation, read, read_all

__all__ = ["Situation", "read", "read_all", "state_of", "what_happened", "why", "why_due"]
