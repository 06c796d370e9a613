"""Tables of the project itself: created roles, scopes of API tokens, failed log-ins, the beat's lease."""

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from rest_framework_api_key.models import APIKey, APIKeyManager

from flashsale.core.rest import scopes

SCOPE_LENGTH = 32
SOURCE_LENGTH = 64
HOST_LENGTH = 255


class RolesMade(models.Model):
    """A role that was created, so that it is not created again after staff changed or deleted it."""

    name = models.CharField(max_length=150, unique=True)

    def __str__(self) -> str:
        return self.name


class TokenScopes(models.Model):
    """The scopes of an API token; a token without a row has `scopes.DEFAULT`."""

    token = models.OneToOneField(APIKey, on_delete=models.CASCADE, primary_key=True, related_name="granted")
    scopes = ArrayField(models.CharField(max_length=SCOPE_LENGTH))

    def __str__(self) -> str:
        return ", ".join(self.scopes)


class ScopedTokenManager(APIKeyManager):
    def get_usable_keys(self) -> models.QuerySet:
        """Return the tokens that are not revoked, with their scopes."""
        return super().get_usable_keys().select_related("granted")


class Token(APIKey):
    """An API token with its scopes."""

    objects = ScopedTokenManager()

    class Meta:
        proxy = True
        verbose_name = "API token"

    @property
    def scopes(self) -> frozenset[str]:
        """What the token may do (see `flashsale.core.rest.scopes`)."""
        explicit = getattr(self, "granted", None)
        return scopes.DEFAULT if explicit is None else frozenset(explicit.scopes)


class LoginFailure(models.Model):
    """How often log-ins with this name failed from this source since the last successful one.

    `flashsale.staff.logins.attempts` is the only writer. From `LOGIN_MAX_FAILURES` on the name is locked for the
    source, until `LOGIN_LOCKOUT_MINUTES` after `last_at`; deleting the row unlocks it.
    """

    name = models.CharField(max_length=User._meta.get_field("username").max_length)
    source = models.CharField(
        max_length=SOURCE_LENGTH, help_text="An address (of IPv6 its network), or a browser that logged in before."
    )
    failures = models.PositiveIntegerField()
    last_at = models.DateTimeField(help_text="The last failure before the lock; later ones do not prolong it.")

    class Meta:
        verbose_name = "failed log-in"
        constraints = [models.UniqueConstraint(name="login_failure_is_one_row", fields=["name", "source"])]
        # Read by: the purge, and the list for staff.
        indexes = [models.Index(name="login_failure_by_age", fields=["last_at"])]

    def __str__(self) -> str:
        return f"{self.name} from {self.source}: {self.failures} failed"


class BeatLease(models.Model):
    """Which beat sends tasks, until when, and when it sent last, by the database's clock: one row.

    `flashsale.beat.lease` is the only writer.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    holder = models.UUIDField(help_text="One for each start of a beat.")
    host = models.CharField(max_length=HOST_LENGTH)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="beat_lease_is_one_row", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"{self.host} until {self.expires_at}"
