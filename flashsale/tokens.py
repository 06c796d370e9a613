"""API tokens of trusted consumers: made, revoked and given an end by staff in the admin, kept as hashes."""

import re
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework_api_key.models import APIKey

if TYPE_CHECKING:  # these classes are loaded while the views' module is
    from rest_framework.views import APIView

_TOKEN = re.compile(rb"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}")


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`. A token that does not count is refused, also where none is needed."""

    scheme = b"bearer"

    def authenticate(self, request: Request) -> tuple[None, APIKey] | None:
        """Return the token as `request.auth`, or None where there is none. Raises `AuthenticationFailed`."""
        scheme, _, given = get_authorization_header(request).partition(b" ")
        if scheme.lower() != self.scheme:
            return None
        token = self._find(given.strip())
        if token is None or token.has_expired:
            raise exceptions.AuthenticationFailed("This API token is unknown, revoked or expired.")
        return None, token

    def _find(self, given: bytes) -> APIKey | None:
        if not _TOKEN.fullmatch(given):
            return None
        try:
            return APIKey.objects.get_from_key(given.decode())
        except APIKey.DoesNotExist:
            return None

    def authenticate_header(self, request: Request) -> str:
        return self.scheme.decode().title()


class MayUseAPI(BasePermission):
    """Everybody, or with `API_ACCESS=token` whoever has an API token."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return settings.API_ACCESS == "public" or request.auth is not None
