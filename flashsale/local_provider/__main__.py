"""`python -m flashsale.local_provider PORT SHOP_URL`: the provider of `make run`, with a journal in `STATE_DIR`."""

import re
import signal
import sys
import threading
from types import FrameType

from flashsale.core.configuration import environment as env
from flashsale.local_provider.provider import Keys, Provider
from flashsale.local_provider.server import Server

JOURNAL = "local_provider.jsonl"
WEBHOOK_PATH = "/api/v1/payments/webhooks/stripe"


def main(port: int, shop_url: str) -> None:
    """Serve until SIGTERM or SIGINT. Reads the same variables as the shop's settings."""
    for file in (env.env_file(), env.state_dir() / "local.env"):
        env.read_env_file(file)
    secrets = env.items(
        "STRIPE_WEBHOOK_SECRETS", like=re.compile(r"whsec_[!-~]+"), expected="signing secrets (whsec_...)"
    )
    keys = Keys(env.text("STRIPE_API_KEY"), env.text("STRIPE_PUBLISHABLE_KEY"), secrets[0])
    provider = Provider(keys, webhook_url=shop_url + WEBHOOK_PATH, journal=env.state_dir() / JOURNAL)
    server = Server(provider, port)

    def stop(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    provider.start()
    server.serve_forever(poll_interval=0.2)
    server.server_close()
    provider.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
