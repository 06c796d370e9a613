"""Settings of this revision's shop without its outbox: what events cost is measured against it."""

from django.apps import AppConfig

from flashsale.settings import *  # noqa: F403
from flashsale.settings import INSTALLED_APPS


class WithoutEvents(AppConfig):
    """Lets the shop record nothing."""

    name = "benchmarks.paid_flows"

    def ready(self) -> None:
        from flashsale.outbox import recording

        recording.record = recording.record_now = lambda *_args, **_members: None


INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.paid_flows.without_events.WithoutEvents"]
