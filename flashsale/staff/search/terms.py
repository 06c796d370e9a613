"""What was typed into the search."""

from dataclasses import dataclass

from flashsale.core.identifiers import parse_id

MIN_LENGTH, MAX_LENGTH = 2, 255


@dataclass(frozen=True)
class Term:
    """The text of a search, without blanks around it."""

    text: str

    @property
    def number(self) -> int | None:
        """The text as an id in decimal digits; None for anything else."""
        return parse_id(self.text)

    @property
    def is_too_short(self) -> bool:
        """Say whether the text is so short that it is in nearly everything; a number may be short."""
        return len(self.text) < MIN_LENGTH and self.number is None
