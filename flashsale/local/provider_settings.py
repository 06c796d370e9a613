"""The settings by which a local system uses the payment provider of its own, unless another one is configured."""

import os
import secrets
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

HOST = "127.0.0.1"
SECRET_BYTES = 24
SHOP_ID_BYTES = 6
KEY, BASE, WEBHOOK_SECRETS = "STRIPE_API_KEY", "STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRETS"
NAMES = (KEY, BASE, WEBHOOK_SECRETS, "STRIPE_PUBLISHABLE_KEY", "STRIPE_AUTO_REFUND", "SHOP_ID")


def chosen(stored: Mapping[str, str]) -> dict[str, str]:
    """Return the settings for `local.env`: those stored before where there are, on a port that is free now.

    None at all when the environment names a key or an address of Stripe. Variables that it has are left to it.
    """
    if any(_is_set(name) for name in (KEY, BASE)):
        return {}
    values = {
        BASE: f"http://{HOST}:{_free_port(_port_of(stored))}",
        KEY: stored.get(KEY) or f"sk_test_{secrets.token_hex(SECRET_BYTES)}",
        "STRIPE_PUBLISHABLE_KEY": stored.get("STRIPE_PUBLISHABLE_KEY") or f"pk_test_{secrets.token_hex(SECRET_BYTES)}",
        WEBHOOK_SECRETS: stored.get(WEBHOOK_SECRETS) or f"whsec_{secrets.token_hex(SECRET_BYTES)}",
        "STRIPE_AUTO_REFUND": "1",
        "SHOP_ID": stored.get("SHOP_ID") or f"local-{secrets.token_hex(SHOP_ID_BYTES)}",
    }
    return {name: value for name, value in values.items() if not _is_set(name)}


def port_in_force(stored: Mapping[str, str]) -> int | None:
    """Return the provider's port when the environment has the stored address and key, else None."""
    is_used = all(stored.get(name) and os.environ.get(name) == stored[name] for name in (KEY, BASE))
    return _port_of(stored) if is_used else None


def _is_set(name: str) -> bool:
    return any(os.environ.get(variable, "").strip() for variable in (name, f"{name}_FILE"))


def _port_of(stored: Mapping[str, str]) -> int | None:
    return urlsplit(stored.get(BASE, "")).port


def _free_port(stored: int | None) -> int:
    """Return the stored port if nothing listens there, else a free one."""
    for port in (stored or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("No port is free.")
