"""The WSGI application without `flashsale.web.draining`: the control of test_early_answers."""

from flashsale import wsgi

# The application that `drained` wraps.
application = wsgi.application.__wrapped__
