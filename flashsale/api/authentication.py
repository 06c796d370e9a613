"""API tokens of trusted clients: created, revoked and limited in time by staff in the admin, stored as hashes."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import transaction
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from flashsale.core import greenlets
from flashsale.core.rest import scopes
from flashsale.models import Token, TokenScopes

if TYPE_CHECKING:  # these classes are loaded while the views' module is
    from rest_framework.views import APIView

_TOKEN = re.compile(rb"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}")


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`. An invalid token is refused, also where no token is required."""

    scheme = b"bearer"

    def authenticate(self, request: Request) -> tuple[None, Token] | None:
        """Return the token as `request.auth`, or None where there is none. Raises `AuthenticationFailed`."""
        scheme, _, key = get_authorization_header(request).partition(b" ")
        if scheme.lower() != self.scheme:
            return None
        token = self._find(key.strip())
        if token is None or token.has_expired:
            raise exceptions.AuthenticationFailed("This API token is unknown, revoked or expired.")
        return None, token

    @greenlets.offloaded
    def _find(self, key: bytes) -> Token | None:
        if not _TOKEN.fullmatch(key):
            return None
        try:
            return Token.objects.get_from_key(key.decode())
        except Token.DoesNotExist:
            return None

    def authenticate_header(self, request: Request) -> str:
        return self.scheme.decode().title()


class HasApiAccess(BasePermission):
    """Allows every client, or with `API_ACCESS=token` those with an API token. A token needs the view's scope.

    Views declare it in `required_scopes` (see `flashsale.core.rest.scopes`).
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.auth is None:
            return settings.API_ACCESS == "public"
        scopes.check(request.auth, view)
        return True


class HasDescriptionAccess(HasApiAccess):
    """Allows clients that may use the API, and staff who are logged in to the admin."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return super().has_permission(request, view) or self._is_staff(request)

    def _is_staff(self, request: Request) -> bool:
        # DRF has replaced the request's user by the token's, which is None; the session has the member of staff.
        user = get_user(request._request)
        return user.is_active and user.is_staff


@transaction.atomic
def create_token(*, name: str, scope_names: Iterable[str], expires_at: datetime | None = None) -> str:
    """Create a token with these scopes and return its key, which is stored as a hash only. Raises `ValidationError`."""
    checked_scopes = validated_scopes(scope_names)
    ProhibitNullCharactersValidator()(name)
    token = Token(name=name, expiry_date=expires_at)
    key = Token.objects.assign_key(token)
    token.full_clean()
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError("The token's end lies in the past.")
    token.save()
    set_scopes(token, checked_scopes)
    return key


def set_scopes(token: Token, scope_names: Iterable[str]) -> None:
    """Replace the scopes of a token, effective with its next request. Raises `ValidationError`."""
    TokenScopes.objects.update_or_create(token_id=token.pk, defaults={"scopes": validated_scopes(scope_names)})


def validated_scopes(scope_names: Iterable[str]) -> list[str]:
    """Return the scopes in order, each once. Raises `ValidationError` for none, and for one that does not exist."""
    names = sorted(set(scope_names))
    unknown = [name for name in names if name not in scopes.MEANINGS]
    if unknown or not names:
        fault = f"Unknown scope: {', '.join(map(repr, unknown))}." if unknown else "A token needs a scope."
        raise ValidationError(f"{fault} There are {', '.join(scopes.MEANINGS)}.")
    return names
