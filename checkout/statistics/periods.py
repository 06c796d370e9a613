"""The period that statistics are about, and the steps it is divided into."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashsale.core.refusals import InvalidRequest

STEPS_SECONDS = (1, 10, 60, 3_600, 86_400)
MAX_POINTS = 1_000


@dataclass(frozen=True)
class Period:
    """From `since` until `until` (excluded), in steps of `step_seconds`, the last one shorter; None: not divided.

    Raises `InvalidRequest` for a period that does not end after it begins, and for one of too many steps.
    """

    since: datetime
    until: datetime
    step_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise InvalidRequest(
                "The period must end after it begins.", pointer="#query/to", error_code="ends_before_it_starts"
            )
        points = math.ceil((self.until - self.since) / self.step)
        if points > MAX_POINTS:
            raise InvalidRequest(
                f"The period has {points} steps, and may have {MAX_POINTS}: choose longer steps or a shorter period.",
                pointer="#query/step", error_code="too_many_steps",
            )  # fmt: skip

    @property
    def step(self) -> timedelta:
        """The length of a step; of the whole period where it is not divided."""
        return timedelta(seconds=self.step_seconds) if self.step_seconds else self.until - self.since

    def starts(self) -> list[datetime]:
        """Return when each step begins."""
        return [self.since + number * self.step for number in range(math.ceil((self.until - self.since) / self.step))]
