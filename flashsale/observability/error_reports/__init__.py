"""Reports of unexpected exceptions to Sentry, where `SENTRY_DSN` is set.

What the log shows with a traceback is reported, once for each exception: of API requests, pages, tasks, the beat and
commands alike. Sentry's own integrations for Django and Celery are not used: they replace functions on every request's
path, and collect headers, cookies, bodies and SQL.
"""
