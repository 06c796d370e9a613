"""Asks the providers for what no webhook told: their lists of events, and their payments of the last days.

Only what this shop made is asked about: its payments carry `SHOP_ID`, and everything else in an account that several
shops share is left alone.
"""

from payments.asking.comparing import Comparison, compare
from payments.asking.cursors import SweepUnderWay
from payments.asking.running import compare_all, providers, sweep_all
from payments.asking.sweeping import LISTED_DAYS, Sweep, sweep

__all__ = [
    "LISTED_DAYS",
    "Comparison",
    "Sweep",
    "SweepUnderWay",
    "compare",
    "compare_all",
    "providers",
    "sweep",
    "sweep_all",
]
