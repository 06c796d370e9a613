"""Products and stock for staff. Counters are read only; a stock adjustment changes them."""

from catalog.admin.products import ProductAdmin
from catalog.admin.stock import StockAdjustmentAdmin, StockAdmin

__all__ = ["ProductAdmin", "StockAdjustmentAdmin", "StockAdmin"]
