"""Alertmanager with the files of the deployment: what it is given, what it sends, and what it holds back."""

import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from flashsale.tests.support.browser import tool
from flashsale.tests.support.deployed import SERVICES, make_secrets
from flashsale.tests.support.processes import PROJECT, free_port, start, stop, wait_until

DEPLOY = PROJECT / "deploy"
MAIL = {"ALERT_EMAIL_TO": "oncall@shop.test", "ALERT_EMAIL_FROM": "alerts@s.test", "ALERT_SMTP_HOST": "smtp.test:587"}
# So that no test waits for a minute. What stays is the order: first the group, then what is new in it.
QUICKLY = {"group_wait": "100ms", "group_interval": "200ms"}


class Receiver:
    """A receiver of webhooks: each request's path and JSON body."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.received.append((self.path, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Requests are in `received`."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def at(self, path: str) -> list[dict]:
        """Return the bodies that came to a path."""
        return [body for came_to, body in list(self.received) if came_to == path]

    def close(self) -> None:
        """Stop receiving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Deployed:
    """The script of the deployment on a folder of secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "alertmanager.yml"
        make_secrets(folder / "secrets")

    def write(self, secret: str, value: str) -> None:
        """Fill in a secret."""
        path = self.folder / "secrets" / secret
        path.chmod(0o600)
        path.write_text(f"{value}\n")

    def environment(self, **variables: str) -> dict[str, str]:
        """Return what the script reads."""
        here = {"ALERT_ROUTES": str(DEPLOY / "alertmanager.yml"), "ALERT_CONFIG": str(self.config)}
        return here | {"ALERT_SECRETS": str(self.folder / "secrets"), "PATH": os.environ["PATH"]} | variables

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess:
        """Run the script with a command in place of Alertmanager."""
        return subprocess.run(
            ["sh", DEPLOY / "alertmanager.sh", *(command or ["true"])],
            env=self.environment(**variables), capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    return Deployed(tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.mark.parametrize("variables", [{}, MAIL, MAIL | {"ALERT_SMTP_USER": "it's: #me"}])
@pytest.mark.parametrize("url", ["", "https://hooks.test/T0/it's?a=1&b=#2"])
def test_every_configuration_is_valid(deployed, variables, url):
    for secret in ("alert_webhook_url", "alert_watchdog_url"):
        deployed.write(secret, url)
    deployed.write("alert_smtp_password", 'it\'s: {a} "pass" \\ #word')

    done = deployed.run(tool("amtool"), "check-config", str(deployed.config), **variables)

    assert done.returncode == 0, done.stdout + done.stderr
    receivers = {receiver["name"]: receiver for receiver in yaml.safe_load(deployed.config.read_text())["receivers"]}
    assert receivers.keys() == {"page", "ticket", "watchdog"}
    for name in ("page", "ticket"):
        assert [hook["url"] for hook in receivers[name].get("webhook_configs", [])] == [url] * bool(url)
        assert [mail.get("auth_password") for mail in receivers[name].get("email_configs", [])] == (
            [] if not variables else ['it\'s: {a} "pass" \\ #word' if "ALERT_SMTP_USER" in variables else None]
        )
    assert ("no receiver" in done.stderr) is not (url or variables)
    assert ("no dead man's switch" in done.stderr) is (not url)
    assert deployed.config.stat().st_mode & 0o077 == 0


def test_an_address_that_is_none_and_mail_without_a_server_stop_the_start_without_a_word_of_the_secret(deployed):
    no_server = deployed.run("echo", "started", ALERT_EMAIL_TO="oncall@shop.test")
    deployed.write("alert_webhook_url", "hooks.test/T0")
    no_url = deployed.run("echo", "started")

    assert (no_server.returncode, no_url.returncode) == (1, 1)
    assert "ALERT_EMAIL_TO needs ALERT_EMAIL_FROM and ALERT_SMTP_HOST" in no_server.stderr
    assert "alert_webhook_url must be a URL" in no_url.stderr
    assert "started" not in no_server.stdout + no_url.stdout
    assert "T0" not in no_url.stderr


class Running:
    """Debian's Alertmanager with the service's command, as it is told by the script."""

    def __init__(self, deployed: Deployed) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        routes = deployed.folder / "routes.yml"
        text = (DEPLOY / "alertmanager.yml").read_text()
        for name, value in QUICKLY.items():
            text = re.sub(rf"{name}: \S+", f"{name}: {value}", text)
        routes.write_text(text.replace("repeat_interval: 4m", "repeat_interval: 100ms"))
        here = {"/tmp/alertmanager.yml": str(deployed.config), "=/alertmanager": f"={deployed.folder}/data"}
        program, *options = SERVICES["alertmanager"]["command"]
        assert program == "alertmanager"
        for there, where in here.items():
            options = [option.replace(there, where) for option in options]
        argv = ["sh", str(DEPLOY / "alertmanager.sh"), tool("prometheus-alertmanager"), *options]
        environment = deployed.environment(ALERT_ROUTES=str(routes))
        self.log = deployed.folder / "alertmanager.log"
        with self.log.open("w") as log:
            argv.append(f"--web.listen-address={urlsplit(self.url).netloc}")
            self.program = start(*argv, environment=environment, stdout=log, stderr=subprocess.STDOUT)

    def is_ready(self) -> bool:
        """Say whether it answers its health check and is ready."""
        check = urlsplit(SERVICES["alertmanager"]["healthcheck"]["test"][-1]).path
        try:
            return all(httpx.get(f"{self.url}{path}").status_code == 200 for path in (check, "/-/ready"))
        except httpx.ConnectError:
            return False

    def send(self, *alerts: dict[str, str]) -> None:
        """Post alerts as Prometheus does, with the annotations of their rules."""
        rules = {
            rule["alert"]: rule
            for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
            for rule in group["rules"]
        }
        body = [
            {
                "labels": labels | rules[labels["alertname"]]["labels"],
                "annotations": rules[labels["alertname"]]["annotations"],
                "generatorURL": "http://prometheus:9090/graph",
            }
            for labels in alerts
        ]
        assert httpx.post(f"{self.url}/api/v2/alerts", json=body).status_code == 200


@pytest.fixture
def running(deployed: Deployed, receiver: Receiver) -> Iterator[Running]:
    deployed.write("alert_webhook_url", f"{receiver.url}/shop")
    deployed.write("alert_watchdog_url", f"{receiver.url}/watchdog")
    started = Running(deployed)
    try:
        wait_until(started.is_ready, what="Alertmanager is ready")
        yield started
    finally:
        stop(started.program)


def test_an_alert_arrives_once_with_its_group_and_what_follows_from_it_does_not(running, receiver):
    stopped = [{"alertname": "WorkerSilent", "queue": queue} for queue in ("expiry", "payments")]
    review = [{"alertname": "EventsNeedReview", "status": status} for status in ("dead", "needs_review")]

    running.send({"alertname": "Watchdog"}, {"alertname": "DatabaseDown"}, *stopped, *review)
    wait_until(lambda: len(receiver.at("/shop")) >= 2, what="both alerts arrive")
    # Prometheus says so again and again; the dead man's switch shows that intervals have passed since.
    beaten = len(receiver.at("/watchdog"))
    running.send({"alertname": "Watchdog"}, {"alertname": "DatabaseDown"}, *stopped, *review)
    wait_until(lambda: len(receiver.at("/watchdog")) >= beaten + 3, what="the dead man's switch is called again")

    by_name = {body["groupLabels"]["alertname"]: body for body in receiver.at("/shop")}
    assert len(receiver.at("/shop")) == len(by_name) == 2
    assert by_name.keys() == {"DatabaseDown", "EventsNeedReview"}
    page, ticket = by_name["DatabaseDown"], by_name["EventsNeedReview"]
    assert (page["receiver"], ticket["receiver"]) == ("page", "ticket")
    assert [alert["labels"]["severity"] for alert in page["alerts"]] == ["page"]
    assert page["commonAnnotations"] == {
        "summary": "No web process reaches PostgreSQL.", "runbook": "docs/operations.md#databasedown",
    }  # fmt: skip
    assert {alert["labels"]["status"] for alert in ticket["alerts"]} == {"dead", "needs_review"}
    assert {alert["annotations"]["runbook"] for alert in ticket["alerts"]} == {"docs/operations.md#eventsneedreview"}
    assert {body["status"] for body in receiver.at("/shop") + receiver.at("/watchdog")} == {"firing"}


def test_without_a_receiver_it_runs_and_says_so(deployed):
    started = Running(deployed)
    try:
        wait_until(started.is_ready, what="Alertmanager is ready")
    finally:
        stop(started.program)

    said = started.log.read_text()
    assert "no receiver: alerts are sent to no one" in said
    assert "no dead man's switch" in said
