"""The web server's application with requests that wait for their payment provider as long as a test does."""

from flashsale import rsgi
from flashsale.tests.support.processes import WAIT_SECONDS

application = rsgi.application

# The apps are ready only now.
from payments.attempts import time_limits  # noqa: E402

time_limits.REQUEST_SECONDS = float(WAIT_SECONDS)
