"""`manage.py refunds_due`: the same as `payments_due`, under its better name."""

from payments.management.commands.payments_due import Command

__all__ = ["Command"]
