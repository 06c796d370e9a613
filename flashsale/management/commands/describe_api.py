"""`manage.py describe_api`: write the documents about the API that are generated from the code."""

import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from flashsale.api import problem_pages
from flashsale.api.openapi import postman
from flashsale.api.openapi.generator import DocumentGenerator


class Command(BaseCommand):
    help = "Write openapi.json, openapi-backoffice.json, postman_collection.json and errors.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--into", type=Path, default=Path("docs"), help="The folder; docs by default.")

    def handle(self, *, into: Path, **options) -> None:
        for name, text in files().items():
            try:
                (into / name).write_text(text)
            except OSError as error:
                raise CommandError(f"--into {str(into)!r} is no folder to write to: {error.strerror}.") from error
            self.stdout.write(str(into / name))


def files() -> dict[str, str]:
    """Return each file's name and text."""
    document, backoffice = (
        DocumentGenerator(is_backoffice=is_backoffice).get_schema(request=None, public=True)
        for is_backoffice in (False, True)
    )
    return {
        "openapi.json": json.dumps(document, indent=2) + "\n",
        "openapi-backoffice.json": json.dumps(backoffice, indent=2) + "\n",
        "postman_collection.json": json.dumps(postman.collection(document), indent=2) + "\n",
        "errors.md": problem_pages.as_markdown(),
    }
