"""What the project itself remembers."""

from django.db import models


class RolesMade(models.Model):
    """A role that was made once, so that it is not made again after staff changed or deleted it."""

    name = models.CharField(max_length=150, unique=True)

    def __str__(self) -> str:
        return self.name
