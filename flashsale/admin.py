"""Admin pages of accounts, roles, API tokens, two-factor devices, failed log-ins and the schedule, in one theme.

Django looks here for them. Most replace the admin pages that packages register.
"""

from flashsale.api import token_admin
from flashsale.staff import accounts, schedule
from flashsale.staff.two_factor import admin as two_factor

__all__ = ["accounts", "schedule", "token_admin", "two_factor"]
