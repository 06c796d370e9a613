"""A shop behind deploy/nginx.conf, as docker-compose.yml starts it."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from flashsale.tests.support.deployed import Deployment, Proxy, deployment, nginx, stopping
from flashsale.tests.support.processes import free_port, wait_until

MAKE = """
import json
from catalog import products
from flashsale.tests.support.tokens import make_token
ids = [products.add(name=name, price="29.99", currency="USD", stock=10).pk for name in ("cached", "bought")]
print(json.dumps([f"/api/v1/products/{ids[0]}", ids[1], make_token()]))
"""
ORIGIN = "https://shop.example.com"


@dataclass(frozen=True)
class ShopBehindNginx:
    """A deployment, and the parts of it that the tests use."""

    deployed: Deployment
    proxy: Proxy
    web: subprocess.Popen
    web_url: str
    cached: str
    bought: int
    token: str


@contextlib.contextmanager
def shop_behind_nginx() -> Iterator[ShopBehindNginx]:
    """Start a web server and nginx, with two products and an API token.

    All requests come from few addresses: no quotas.
    """
    quotas = {"HOLDS_PER_MINUTE": "0", "CHANGES_PER_MINUTE": "0", "READS_PER_MINUTE": "100000"}
    quotas |= {"WRONG_TOKENS_PER_MINUTE": "0", "REFUSED_DELIVERIES_PER_MINUTE": "0"}
    variables = {"SECURE_SSL_REDIRECT": "0", "CORS_ALLOWED_ORIGINS": ORIGIN}
    with deployment(**quotas, **variables) as deployed:
        port = free_port()
        web = deployed.start("web", "-m", "flashsale.server", WEB_HOST="127.0.0.1", PORT=str(port))
        changes = {
            "client_header_timeout 10s;": "client_header_timeout 1s;",
            "# set_real_ip_from 10.0.0.0/8;": "set_real_ip_from 127.0.0.9;",
            "# real_ip_header": "real_ip_header",
            "# real_ip_recursive": "real_ip_recursive",
            "# 203.0.113.0/24 1;": "127.0.0.5 1;",
            # A busy machine sends less than 200 requests a second: the burst alone decides.
            "zone=webhooks:10m rate=200r/s;": "zone=webhooks:10m rate=20r/s;",
        }
        with stopping(web), nginx(deployed.folder, web=port, pay=port, changes=changes) as proxy:
            made = deployed.manage("shell", "-v", "0", "-c", MAKE)
            assert made.returncode == 0, made.stderr
            wait_until(lambda: httpx.get(f"{proxy.url}/readyz").status_code == 200, what="the shop is open")
            yield ShopBehindNginx(deployed, proxy, web, f"http://127.0.0.1:{port}", *json.loads(made.stdout))
