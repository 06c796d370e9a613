"""What happened in a product's sale so far, for its page in the admin.

Holds and orders belong to higher apps, which register their figures here, so that catalog does not import them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User

from catalog.availability import ProductView


@dataclass(frozen=True)
class Figure:
    """One figure: its name, its value in words, and the path of the page with its rows ("": none)."""

    name: str
    value: str
    url: str = ""


Figures = Callable[[ProductView], Iterable[Figure]]

_registered: list[tuple[str, Figures]] = []
_of_queues: list[Figures] = []


def register(figures: Figures, *, permission: str) -> None:
    """Let an app add figures, for staff with this permission; called when the app is ready."""
    _registered.append((permission, figures))


def figures_of(view: ProductView, user: User) -> list[Figure]:
    """Return the figures of a product that this member of staff may see."""
    return [figure for permission, figures in _registered if user.has_perm(permission) for figure in figures(view)]


def register_queue(figures: Figures) -> None:
    """Let an app tell of a product's queue, to staff who may view the product; called when the app is ready."""
    _of_queues.append(figures)


def queue_figures_of(view: ProductView) -> list[Figure]:
    """Return the figures of a product's queue; none of a product without one."""
    return [figure for figures in _of_queues for figure in figures(view)]
