"""Cursor pagination of lists."""

import base64
import binascii
import re
from typing import Any
from urllib.parse import parse_qs

from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from flashsale.core import refusals


class IdCursorPagination(CursorPagination):
    """50 rows a page by ascending id; a cursor that this API did not make is 400, never a database error."""

    page_size = 50
    ordering = "id"
    invalid_cursor_message = "This cursor was not made by this API."
    _query = re.compile(r"(?:[opr]=[0-9]{1,18}&?){0,3}", re.ASCII)

    def decode_cursor(self, request: Request) -> Cursor | None:
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is not None and not self._is_ours(encoded):
            raise refusals.InvalidRequest(
                self.invalid_cursor_message, pointer="#query/cursor", error_code="invalid_cursor"
            )
        return super().decode_cursor(request)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page in JSON Schema 2020-12, which OpenAPI 3.1 uses; DRF's own description is older."""
        example = "https://shop.example.com/api/v1/products?cursor=cD01MA%3D%3D"
        link = {"type": ["string", "null"], "format": "uri", "example": example}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def _is_ours(self, encoded: str) -> bool:
        try:
            query = base64.b64decode(encoded.encode("ascii"), validate=True).decode("ascii")
        except (binascii.Error, UnicodeError, ValueError):
            return False
        return bool(self._query.fullmatch(query)) and all(len(values) == 1 for values in parse_qs(query).values())
