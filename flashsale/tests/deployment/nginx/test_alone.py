"""deploy/nginx.conf by itself: its sizes and limits, and its answers when the application does not answer."""

import contextlib
import json
import re
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from catalog.imports import files
from flashsale.api.problem_codes import BY_CODE
from flashsale.tests.support.deployed import nginx, refusal_of
from flashsale.tests.support.processes import PROJECT, free_port
from payments.providers import PROVIDERS


@pytest.fixture
def open_folder():
    """A folder that nginx may reach without being root."""
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_the_outer_limit_is_well_above_the_applications_own():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    rates = {zone: int(rate) * 60 for zone, rate in re.findall(r"zone=(\w+):\w+ rate=(\d+)r/s", text)}
    example = (PROJECT / ".env.example").read_text()
    quotas = {name: int(quota) for name, quota in re.findall(r"^(\w+_PER_MINUTE)=(\d+)$", example, re.M)}

    assert rates["other_clients"] > 2 * sum(quota for name, quota in quotas.items() if not name.startswith("TOKEN_"))
    assert rates["partners"] > 1.5 * sum(quota for name, quota in quotas.items() if name.startswith("TOKEN_"))


def test_the_bodies_of_one_client_fit_into_the_temporary_folder():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    compose = (PROJECT / "docker-compose.yml").read_text()
    [api, admin] = [int(size) for size in re.findall(r"client_max_body_size (\d+)[km];", text)]
    [connections] = {int(count) for count in re.findall(r"limit_conn connections (\d+);", text)}
    [of_staff] = [int(count) for count in re.findall(r"limit_conn staff (\d+);", text)]
    [room, pages] = re.search(r'tmpfs: \["/tmp:size=(\d+)m", "/tmp/products:size=(\d+)m"\]', compose).groups()

    assert api * 1024 > settings.MAX_BODY_BYTES
    assert admin * 1024**2 > 1.2 * files.MAX_BYTES
    assert connections * api / 1024 + of_staff * admin < int(room)
    assert int(re.search(r"max_size=(\d+)m", text)[1]) < int(pages)


def test_every_status_that_nginx_makes_has_a_problem_document():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    # Without what it closes the connection for (408, 444, 499), and what no location here makes (401, 403, 411, 416).
    made = {400, 405, 413, 414, 429, 494, 495, 496, 497, 500, 501, 502, 504, 505}

    handled = {int(status) for line in re.findall(r"error_page ([\d ]+)=", text) for status in line.split()}
    documents = re.findall(r"return (\d+) '(\{.*\})';", text)

    assert handled == made
    assert len(documents) == 6
    for status, document in documents:
        problem = json.loads(document.replace("$unanswered_title", "Busy").replace("$unanswered", "busy"))
        assert problem["status"] == int(status) == BY_CODE[problem["code"]].status
        assert problem["type"] == f"/problems/{problem['code']}"
        assert {"title", "detail", "request_id"} <= set(problem)


def test_nginx_passes_every_header_that_the_application_reads():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    passed = {name.lower() for name in re.findall(r"proxy_set_header ([\w-]+)", text)}
    code = "".join(
        module.read_text()
        for app in ("flashsale", "catalog", "checkout", "payments")
        for module in (PROJECT / app).rglob("*.py")
        # Staff's pages get every header.
        if not {"tests", "staff"} & set(module.parts)
    )

    read = {name.lower() for name in re.findall(r"""request\.headers(?:\.get\(|\[)"([\w-]+)""", code)}
    read |= {name.lower().replace("_", "-") for name in re.findall(r"""META(?:\.get\(|\[)"HTTP_(\w+)""", code)}
    for constants in re.findall(r'^[A-Z][A-Z_, ]*HEADER = ("[\w-]+"(?:, "[\w-]+")*)$', code, re.M):
        read |= {name.lower() for name in re.findall(r'"([\w-]+)"', constants)}
    for provider in PROVIDERS.values():
        read |= {name.lower() for name in (*provider.signature_headers, *provider.kept_headers)}
    read |= set(settings.CORS_ALLOW_HEADERS)

    assert {"if-none-match", "accept", "webhook-signature", "stripe-signature", "idempotency-key"} <= read
    assert read <= passed


def test_control_characters_are_refused_in_every_header_that_nginx_passes():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    [looked_at] = re.findall(r'map "([^"]+)" \$has_bad_header', text)

    passed = set(re.findall(r"proxy_set_header [\w-]+ \$(http_\w+);", text))

    assert passed <= set(looked_at.strip("$").split("$"))


def test_a_request_whose_answer_was_lost_is_not_called_busy(open_folder):
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(_answer_nothing_but_health, server)
        web = server.getsockname()[1]
        with nginx(open_folder, web=web, pay=free_port(), changes={}) as proxy, proxy.client() as client:
            lost = client.post("/api/v1/holds", json={})
            looked = client.get("/api/v1/holds/00000000-0000-4000-8000-000000000000")
            never_asked = client.post("/api/v1/orders", json={})
        server.shutdown(socket.SHUT_RDWR)

    assert refusal_of(lost) == (503, "outcome_unknown")
    assert refusal_of(looked) == refusal_of(never_asked) == (503, "busy")
    assert lost.headers["Retry-After"] == "1"


def _answer_nothing_but_health(server: socket.socket) -> None:
    """Answer health checks, and close the connection of every other request without an answer."""
    with contextlib.suppress(OSError):
        while True:
            caller, _ = server.accept()
            with caller:
                if caller.recv(65_536).startswith(b"GET /livez"):
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
