"""What happened in a product's sale, in all and step by step, for programs; `sale_figures` tells it to staff in words.

Holds and orders count at the moment at which they were made, with what became of them until now: so the figures of one
period add up, and each query reads one range of an index.
"""

from checkout.statistics.counting import COUNT_SECONDS, Counts, Revenue
from checkout.statistics.periods import MAX_POINTS, STEPS_SECONDS, Period
from checkout.statistics.reading import Point, SaleStatistics, of_product
from checkout.statistics.selling_out import time_to_sell_out

__all__ = [
    "COUNT_SECONDS",
    "MAX_POINTS",
    "STEPS_SECONDS",
    "Counts",
    "Period",
    "Point",
    "Revenue",
    "SaleStatistics",
    "of_product",
    "time_to_sell_out",
]
