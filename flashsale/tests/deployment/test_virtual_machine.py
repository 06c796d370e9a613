"""What deploy/systemd and deploy/nginx/vm do on a machine: nginx of Debian, health checks, restarts, commands."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from flashsale.tests.support.browser import tool
from flashsale.tests.support.deployed import SECRETS, SERVICES, environment_of
from flashsale.tests.support.processes import PROJECT, free_port, start, stop, wait_until
from flashsale.tests.support.units import FOLDER, PORTS, SHARED, assignments, units_of


@pytest.fixture
def open_folder():
    """A folder that nginx may reach without being root."""
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_debians_nginx_starts_with_the_configuration_and_answers_when_no_server_does(open_folder):
    port, own = free_port(), open_folder / "own"
    changes = {
        "/tmp/": f"{own}/", "/var/log/flashsale/": f"{own}/", "127.0.0.1:8081": f"127.0.0.1:{free_port()}",
        "listen 80 ": f"listen 127.0.0.1:{port} ", "listen [::]:80 default_server reuseport;": "",
    }  # fmt: skip
    changes |= {f"127.0.0.1:{web} ": f"127.0.0.1:{free_port()} " for ports in PORTS.values() for web in ports}
    shutil.copytree(PROJECT / "deploy" / "nginx" / "vm", own / "site")
    shutil.copy(PROJECT / "deploy" / "nginx.conf", own)
    for file in own.rglob("*.conf"):
        text = file.read_text()
        for there, here in changes.items():
            text = text.replace(there, here)
        file.write_text(text)
    account = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    shutil.chown(own, *(("nobody", "nogroup") if account else (os.getuid(), os.getgid())))
    [command] = [
        value for name, value in assignments(FOLDER / "nginx.service.d/flashsale.conf") if value.endswith('off;"')
    ]
    assert command == '/usr/sbin/nginx -e stderr -c /etc/flashsale/nginx/nginx.conf -g "daemon off;"'

    with (open_folder / "errors").open("w") as errors:
        argv = [tool("nginx"), "-e", "stderr", "-c", str(own / "nginx.conf"), "-g", "daemon off;"]
        proxy = start(*argv, environment={}, cwd=own, stderr=errors, **account)
    try:
        wait_until(lambda: proxy.poll() is not None or _answers(port), what="nginx answers")
        assert proxy.poll() is None, (open_folder / "errors").read_text()
        answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/products", trust_env=False)
    finally:
        stop(proxy)

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert (open_folder / "errors").read_text() == ""


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(("seconds", "is_healthy"), [(5, True), (31, False)])
def test_a_silent_worker_is_reported(tmp_path, seconds, is_healthy):
    _running(tmp_path, "flashsale-worker-expiry", silent_seconds=seconds)
    _running(tmp_path, "flashsale-migrate", silent_seconds=600)

    checked = subprocess.run(["sh", FOLDER / "health.sh", tmp_path], capture_output=True, text=True, check=False)

    assert (checked.returncode == 0) is is_healthy
    assert checked.stderr == ("" if is_healthy else "flashsale-worker-expiry is silent\n")


def test_what_has_just_started_is_not_reported(tmp_path):
    (tmp_path / "flashsale-beat").mkdir()
    (tmp_path / "flashsale-web@1").mkdir()

    assert subprocess.run(["sh", FOLDER / "health.sh", tmp_path], check=False).returncode == 0


def test_a_web_server_that_does_not_answer_is_reported(tmp_path):
    running, fake = tmp_path / "run", tmp_path / "curl"
    running.mkdir()
    for port in ("8001", "8002"):
        _running(running, f"flashsale-web@{port}", silent_seconds=0)
    # In the place of curl: only one of them answers.
    fake.write_text('#!/bin/sh\ncase "$*" in *http://127.0.0.1:8001/livez) exit 0;; esac\nexit 7\n')
    fake.chmod(0o755)

    checked = subprocess.run(
        ["sh", FOLDER / "health.sh", running],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (checked.returncode, checked.stderr) == (1, "flashsale-web@8002 does not answer\n")


def _running(folder: Path, unit: str, *, silent_seconds: int) -> None:
    """Make the folder of a unit that has been running for ten minutes and touched its file so long ago."""
    own = folder / unit
    own.mkdir()
    (own / "alive").touch()
    for path, seconds in ((own / "alive", silent_seconds), (own, 600)):
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


def test_a_lone_web_server_is_not_restarted(tmp_path):
    fake = tmp_path / "systemctl"
    fake.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\n'
        'case "$1 $*" in list-units*web*) echo "flashsale-web@8001.service loaded active running x";; esac\n'
    )
    fake.chmod(0o755)

    refused = subprocess.run(
        ["sh", FOLDER / "rolling-restart.sh"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert refused.returncode == 1
    assert "only flashsale-web@8001.service serves" in refused.stderr
    assert "restart" not in (tmp_path / "systemctl.log").read_text()


def test_units_are_restarted_one_after_another_the_web_servers_before_the_workers(tmp_path):
    running = [unit.name for service in ("web", "pay", "office", "worker", "beat") for unit in units_of(service)]
    log = tmp_path / "log"
    fake = tmp_path / "systemctl"
    listing = "\n".join(f"echo '{name}.service loaded active running x'" for name in running)
    fake.write_text(
        f'#!/bin/bash\nif [ "$1" = restart ]; then echo "$2" >> {log}; exit; fi\n'
        "{ " + listing.replace("\n", "; ") + "; } | while read -r name rest; do\n"
        'for pattern in "${@:2}"; do [[ $name == $pattern ]] && echo "$name $rest"; done; done; true\n'
    )
    fake.chmod(0o755)

    subprocess.run(["sh", FOLDER / "rolling-restart.sh"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)

    assert log.read_text().splitlines() == [f"{name}.service" for name in running]


def test_commands_get_the_secrets_of_the_units():
    pattern = re.search(r"sed -nE 's#(.*?)#", (FOLDER / "manage.sh").read_text())[1]
    found = re.findall(pattern, SHARED.read_text(), re.M)

    files = {
        name for name, value in environment_of("web", ALLOWED_HOSTS="shop.test").items() if value.startswith(SECRETS)
    }
    assert {f"{name}_FILE" for name, _ in found} == files
    assert {file for _, file in found} == set(SERVICES["web"]["secrets"])
