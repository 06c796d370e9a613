"""The shop's own settings, and beside its views the ordinary ones that it is compared with."""

from flashsale.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
