"""Holds and orders for staff: each list in a module of its own."""

from checkout.admin.holds import HoldAdmin
from checkout.admin.orders import OrderAdmin

__all__ = ["HoldAdmin", "OrderAdmin"]
