"""nginx sends each kind of request to the web processes that are there for it."""

import http.server
import tempfile
import threading
from pathlib import Path

import httpx
import pytest

from flashsale.tests.support.deployed import nginx

SERVICES = ("web", "pay", "office")


def answering(name: str) -> http.server.ThreadingHTTPServer:
    """Start a server that answers every GET with its name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def proxy():
    servers = {name: answering(name) for name in SERVICES}
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as folder:
        Path(folder).chmod(0o755)
        with nginx(Path(folder), **{name: servers[name].server_port for name in SERVICES}, changes={}) as proxy:
            yield proxy
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "web"),
        ("/admin/", "web"),
        ("/api/v1/products", "web"),
        ("/api/v1/holds", "web"),
        ("/api/v1/schema", "web"),
        ("/api/v1/eventual", "web"),
        ("/api/v1/orders", "pay"),
        ("/api/orders/1", "pay"),
        ("/api/v1/payments/webhook", "pay"),
        ("/api/v1/backoffice/orders", "office"),
        ("/api/v1/backoffice/products/1", "office"),
        ("/api/backoffice/payments", "office"),
        ("/api/v1/events", "office"),
        ("/api/v1/events/evt_1", "office"),
        ("/api/v1/webhook-endpoints/1/deliveries", "office"),
    ],
)
def test_a_request_reaches_its_service(proxy, path, service):
    assert httpx.get(f"{proxy.url}{path}").text == service
