"""The web server's application with requests that wait for their payment provider as long as a test does."""

from flashsale import rsgi
from flashsale.tests.support.processes import WAIT_SECONDS

application = rsgi.application

# The apps are ready only now.
from payments.attempts import asking  # noqa: E402

asking.REQUEST_SECONDS = float(WAIT_SECONDS)
