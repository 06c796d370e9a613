"""Numbers of units in sentences for people."""


def units(count: int) -> str:
    """Return a number of units: "1 unit", "2 units"."""
    return "1 unit" if count == 1 else f"{count} units"


def units_are(count: int) -> str:
    """Return a number of units with the verb that follows: "1 unit is", "2 units are"."""
    return f"{units(count)} {'is' if count == 1 else 'are'}"
