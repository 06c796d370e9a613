"""The WSGI application. A web process keeps its database connections in a pool."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")
os.environ.setdefault("DATABASE_POOL_MAX", "16")

application = get_wsgi_application()
