"""Whether places were drawn at random: the Kolmogorov-Smirnov test, and places recomputed as a buyer may do it."""

import bisect
import hashlib
import hmac
import math
from collections.abc import Sequence

# Beyond so many terms the series below adds nothing that a double can hold.
TERMS = 100


def recomputed_place(seed: str, ticket_id: str) -> float:
    """Return the place of a ticket id (32 hexadecimal digits) in [0, 1), from a seed that was published.

    It is written for itself, from the documented rule: the first 13 digits (52 bits) of HMAC-SHA256 (RFC 2104), keyed
    with the seed's text, over 16^13.
    """
    digits = hmac.new(seed.encode(), ticket_id.encode(), hashlib.sha256).hexdigest()
    return float(int(digits[:13], 16) / 16**13)


def p_of_uniform(places: Sequence[float]) -> float:
    """Return how likely places from a uniform draw in [0, 1) are as far from uniform as these; 1.0 for none."""
    ordered, count = sorted(places), len(places)
    if not count:
        return 1.0
    above = max((rank + 1) / count - place for rank, place in enumerate(ordered))
    below = max(place - rank / count for rank, place in enumerate(ordered))
    return _p_of(max(above, below), size=count)


def p_of_same(some: Sequence[float], others: Sequence[float]) -> float:
    """Return how likely two draws of the same kind are as far from each other as these; 1.0 when one is empty."""
    if not some or not others:
        return 1.0
    first, second = sorted(some), sorted(others)
    distance = max(
        abs(bisect.bisect_right(first, place) / len(first) - bisect.bisect_right(second, place) / len(second))
        for place in (*first, *second)
    )
    return _p_of(distance, size=len(first) * len(second) / (len(first) + len(second)))


def _p_of(distance: float, *, size: float) -> float:
    """Return the probability of at least this distance: the limit distribution of Kolmogorov and Smirnov.

    For finite sizes it is corrected as in M. A. Stephens, "Use of the Kolmogorov-Smirnov, Cramer-Von Mises and Related
    Statistics Without Extensive Tables", Journal of the Royal Statistical Society B 32 (1970).
    """
    scaled = (math.sqrt(size) + 0.12 + 0.11 / math.sqrt(size)) * distance
    # The series converges slowly near 0, where the probability is 1 up to ten digits.
    if scaled < 0.3:
        return 1.0
    terms = ((-1) ** (term - 1) * math.exp(-2 * (term * scaled) ** 2) for term in range(1, TERMS + 1))
    return min(1.0, max(0.0, 2 * sum(terms)))
