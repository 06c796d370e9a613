"""`python -m flashsale.local_provider PORT SHOP_URL`: the provider of `make run`, with a journal in `STATE_DIR`."""

import re
import sys
import threading

from flashsale.core import ports
from flashsale.core.commands.interrupts import Interrupted, interrupts
from flashsale.core.configuration import environment as env
from flashsale.local_provider.provider import Keys, Provider
from flashsale.local_provider.server import HOST, Server

POLL_SECONDS = 0.2
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
    try:
        ports.refuse_taken(HOST, port)
    except ports.PortTaken as error:
        sys.exit(f"flashsale.local_provider: {error}: another provider may be running.")
    provider = Provider(keys, webhook_url=shop_url + WEBHOOK_PATH, journal=env.state_dir() / JOURNAL)
    server = Server(provider, port)

    interrupts.hold()
    provider.start()
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS})
    serving.start()
    try:
        while serving.is_alive():
            interrupts.check()
            serving.join(POLL_SECONDS)
    except Interrupted:
        server.shutdown()
        serving.join()
    server.server_close()
    provider.close()
    interrupts.finish()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
