"""The Celery application; its schedule is in django-celery-beat's tables (see `flashsale/migrations`)."""

import os
import sys

from celery import Celery
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from flashsale import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flashsale.settings")

app = Celery("flashsale")


def load_settings(**_kwargs) -> None:
    """End a worker or a beat with one line instead of a traceback when a setting is wrong."""
    try:
        _ = settings.SECRET_KEY
    except ImproperlyConfigured as error:
        sys.exit(f"celery: {error}")


broker.register()
app.on_configure.connect(load_settings)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
