"""Networks in the environment."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from flashsale.core.configuration.environment import PRINTABLE, Misconfigured, items

EXPECTED = "networks such as 10.1.0.0/16"


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return comma-separated networks, none where the variable is unset; an address alone is a network of one."""
    try:
        return [ip_network(network) for network in items(name, like=PRINTABLE, expected=EXPECTED)]
    except ValueError:
        raise Misconfigured(name, f"must be {EXPECTED}, separated by commas") from None
