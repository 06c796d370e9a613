"""`manage.py audit_stock`: do the counters agree with holds and orders?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from checkout import audit


class Command(BaseCommand):
    help = "Compare every product's counters with its holds and orders. Exit 1 on drift; nothing is repaired."

    def handle(self, **options: Any) -> None:
        drifts = audit.find_drift()
        for drift in drifts:
            self.stdout.write(f"drift: {drift}")
        if drifts:
            sys.exit(1)
        self.stdout.write("The books are right: counters, holds and orders agree.")
