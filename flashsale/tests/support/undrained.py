"""The WSGI application as it would be without `flashsale.web.draining`: the control of test_early_answers."""

from flashsale import wsgi

# What `drained` was given.
application = wsgi.application.__wrapped__
