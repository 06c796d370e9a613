"""The settings of a revision without any middleware, and with one view: what a Django view costs by itself."""

from flashsale.settings import *  # noqa: F403

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "bare_urls"
