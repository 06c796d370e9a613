"""The project: wires the apps together and owns no business rule."""

from flashsale.celery import app as celery_app

__all__ = ["celery_app"]
