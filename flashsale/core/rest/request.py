"""DRF's request, without what this API does not have: forms, files, and credentials outside `Authorization`."""

from collections.abc import Sequence
from typing import IO, Any, cast

from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Empty, Request


class ApiRequest(Request):
    """A request of the API. Without an Authorization header it is anonymous, and no authenticator is asked."""

    parsers: Sequence[BaseParser]
    negotiator: BaseContentNegotiation

    def __init__(self, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        self._full_data: Any = Empty
        if "HTTP_AUTHORIZATION" not in request.META:
            self._authenticator = self._user = self._auth = None

    @property
    def data(self) -> Any:
        """The parsed body, `{}` where there is none.

        Raises `UnsupportedMediaType` where the view has no parser for its type, and what the parser raises.
        """
        if self._full_data is Empty:
            self._full_data = self._parsed_body()
        return self._full_data

    def _parsed_body(self) -> Any:
        try:
            length = int(self._request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        if length == 0:
            return {}
        parser = self.negotiator.select_parser(self, self.parsers)
        if parser is None:
            raise exceptions.UnsupportedMediaType(self.content_type)
        return parser.parse(cast("IO[bytes]", self._request), self.content_type, self.parser_context)
