"""deploy/systemd: valid for systemd, and the same system as docker-compose.yml."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flashsale.observability import heartbeat
from flashsale.tests.support.browser import tool
from flashsale.tests.support.connections import connections_of
from flashsale.tests.support.deployed import SECRETS, SERVICES, environment_of
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.units import FOLDER, INSTALLED, OURS, PORTS, assignments, settings_file, units_of

DOCUMENT = (PROJECT / "docs" / "deployment-vm.md").read_text()
WEB = sorted(PORTS)
UNITS = {service: units_of(service) for service in OURS}
# Where the servers are, which is in flashsale.env.
ADDRESSES = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}
# Of one machine with several web servers and workers: each has its own port, and files of its own in /run.
OF_THE_MACHINE = {"PORT", "WEB_HOST", "ENV_FILE", "METRICS_PORT", "ALIVE_FILE"}
# Connections for staff at a prompt, backups, and PostgreSQL's own three for superusers.
RESERVED_CONNECTIONS = 20
# Of the image, which Compose does not name.
OF_THE_IMAGE = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PROMETHEUS_MULTIPROC_DIR"}
# Compose's `pay` has two processes, here each in a unit of its own, so that one serves while the other restarts.
PER_UNIT = {"WEB_WORKERS"}
MIB = {"m": 1, "M": 1, "g": 1024, "G": 1024}


def mebibytes(size: str) -> int:
    """Return a size of Compose or systemd in MiB."""
    return int(size[:-1]) * MIB[size[-1]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The units as they would be on a machine whose version is this checkout."""
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_text(file.read_text().replace(INSTALLED, str(PROJECT)))
    return folder


def test_systemd_finds_no_fault(installed):
    files = [*installed.glob("flashsale*.service"), *installed.glob("*.target"), *installed.glob("*.timer")]
    names = [str(file).replace("@.service", "@8001.service") for file in files]

    checked = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *names, "nginx.service"],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{installed}:"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (checked.returncode, checked.stderr) == (0, "")
    assert len(files) == 15


def test_control_systemd_reads_the_shared_drop_in(installed, tmp_path):
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    shared = tmp_path / "flashsale-.service.d" / "common.conf"
    shared.write_text(f"{shared.read_text()}ProtectSistem=strict\n")

    checked = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", str(tmp_path / "flashsale-beat.service")],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "ProtectSistem" in checked.stderr


@pytest.mark.parametrize("service", UNITS)
def test_a_unit_runs_what_compose_runs(service):
    command = SERVICES[service].get("command") or ["python", "-m", "flashsale.server"]

    assert [unit.argv for unit in UNITS[service]] == [command] * len(UNITS[service])


@pytest.mark.parametrize("service", UNITS)
def test_a_unit_has_the_settings_of_compose(service):
    ours = environment_of(service, ALLOWED_HOSTS="shop.test")
    given = {
        name: value
        for name, value in ours.items()
        if name not in {"ALLOWED_HOSTS", *ADDRESSES, *OF_THE_MACHINE, *PER_UNIT}
    }

    for unit in UNITS[service]:
        secrets = {
            value: f"{SECRETS}{Path(value).name}" for value in unit.environment.values() if "/credentials/" in value
        }
        set_by_unit = {name: secrets.get(value, value) for name, value in unit.environment.items()}
        compared = {
            name: value for name, value in set_by_unit.items() if name not in OF_THE_MACHINE | PER_UNIT | OF_THE_IMAGE
        }
        assert compared == given
        assert set(ours) & {"ALIVE_FILE", "METRICS_PORT"} == set(unit.environment) & {"ALIVE_FILE", "METRICS_PORT"}


@pytest.mark.parametrize("service", UNITS)
def test_a_unit_gets_the_secrets_of_compose_as_credentials(service):
    for unit in UNITS[service]:
        credentials = dict(line.split(":") for line in unit.all("LoadCredential"))

        assert set(credentials) == set(SERVICES[service]["secrets"])
        assert all(path == f"/etc/flashsale/secrets/{name}" for name, path in credentials.items())
        files = {name for name in unit.environment if name.endswith("_FILE")} - {"ENV_FILE", "ALIVE_FILE"}
        compose = environment_of(service, ALLOWED_HOSTS="shop.test")
        assert files == {name for name, value in compose.items() if value.startswith(SECRETS)}


def test_the_settings_file_says_where_the_servers_are_and_sets_nothing_of_the_units():
    compose = environment_of("web", ALLOWED_HOSTS="shop.test")
    given = settings_file()
    of_units = {name for units in UNITS.values() for unit in units for name in unit.environment}

    assert set(given) >= ADDRESSES | {"ALLOWED_HOSTS"}
    assert not set(given) & of_units
    assert {unit.one("EnvironmentFile") for units in UNITS.values() for unit in units} == {
        "/etc/flashsale/flashsale.env"
    }
    for name in ADDRESSES:
        assert re.sub(r"@?(127\.0\.0\.1|db|valkey):", "", given[name]) == re.sub(r"@?(db|valkey):", "", compose[name])


@pytest.mark.parametrize("service", UNITS)
def test_a_unit_has_the_limits_and_the_time_to_stop_of_compose(service):
    compose = SERVICES[service]

    for unit in UNITS[service]:
        assert mebibytes(unit.one("MemoryMax")) == mebibytes(compose["mem_limit"])
        assert int(unit.one("TasksMax")) == compose["pids_limit"]
        if grace := compose.get("stop_grace_period"):
            assert unit.seconds("TimeoutStopSec") == int(grace.removesuffix("s"))
            assert unit.one("Restart") == "always"
        assert (unit.one("KillMode"), unit.one("KillSignal")) == ("mixed", "SIGTERM")
        assert (unit.one("User"), unit.one("NoNewPrivileges"), unit.one("ProtectSystem")) == (
            "flashsale",
            "yes",
            "strict",
        )
        assert unit.one("CapabilityBoundingSet") == ""


def test_nginx_has_the_limits_of_compose():
    drop_in = dict(assignments(FOLDER / "nginx.service.d" / "flashsale.conf"))
    compose = SERVICES["nginx"]

    assert mebibytes(drop_in["MemoryMax"]) == mebibytes(compose["mem_limit"])
    assert int(drop_in["TasksMax"]) == compose["pids_limit"]
    assert (drop_in["KillSignal"], f"{drop_in['TimeoutStopSec']}s") == (
        compose["stop_signal"],
        compose["stop_grace_period"],
    )
    assert drop_in["User"] != "root"


def test_every_queue_has_a_unit():
    commands = [unit.argv for units in UNITS.values() for unit in units if "worker" in unit.argv]

    assert sorted(argv[argv.index("-Q") + 1] for argv in commands) == sorted(heartbeat.QUEUES)


def test_every_port_of_the_machine_is_given_once():
    units = [unit for units in UNITS.values() for unit in units]
    ports = [unit.environment[name] for unit in units for name in ("PORT", "METRICS_PORT") if name in unit.environment]

    assert len(ports) == len(set(ports)) == 10
    assert {unit.environment["WEB_HOST"] for service in WEB for unit in UNITS[service]} == {"127.0.0.1"}


def test_two_units_of_each_kind_have_at_least_the_processes_of_compose():
    for service in WEB:
        environment = environment_of(service, ALLOWED_HOSTS="shop.test")
        replicas = SERVICES[service]["deploy"]["replicas"]

        assert len(UNITS[service]) == 2
        processes = sum(int(unit.environment["WEB_WORKERS"]) for unit in UNITS[service])
        assert replicas * int(environment["WEB_WORKERS"]) <= processes <= 2 * replicas * int(environment["WEB_WORKERS"])


def test_all_connections_together_are_what_the_document_says_and_below_max_connections():
    [most] = {int(number) for number in re.findall(r"^max_connections = (\d+)$", DOCUMENT, re.M)}
    needed = {
        unit.name: connections_of([] if service in WEB else unit.argv, unit.environment)
        for service, units in UNITS.items()
        for unit in units
    }
    [told] = re.findall(r"\+ beat \+ migrate = (\d+), and (\d+) for people", DOCUMENT)
    [more] = re.findall(r"A second web host has (\d+) more .* a second worker host (\d+): (\d+) with both", DOCUMENT)
    web = sum(needed[unit.name] for service in WEB for unit in UNITS[service])
    workers = sum(needed.values()) - web - needed["flashsale-migrate"]

    assert (sum(needed.values()), RESERVED_CONNECTIONS) == tuple(map(int, told))
    assert sum(needed.values()) + RESERVED_CONNECTIONS <= most
    assert (web, workers, sum(map(int, told)) + web + workers) == tuple(map(int, more))


def test_the_document_enables_every_unit_and_names_none_that_is_missing():
    [enabled, backups] = re.findall(r"^systemctl enable ((?:.*\\\n)*.*)$", DOCUMENT, re.M)
    names = {unit.name for units in UNITS.values() for unit in units} | {"flashsale.target", "flashsale-health.timer"}
    named = set(re.findall(r"\bflashsale(?:-[a-z]+)+(?:@\w*)?", DOCUMENT))

    assert backups == "--now flashsale-backup.timer flashsale-wal-archive"
    assert set(enabled.replace("\\\n", " ").split()) == names
    files = {re.sub(r"\.\w+$", "", file.name).partition("@")[0] for file in FOLDER.glob("flashsale*.*")}
    assert {name.partition("@")[0] for name in named} <= files


def test_every_file_that_the_document_copies_exists():
    words = re.findall(r"\b(deploy/[\w./*-]+[\w*])", DOCUMENT)

    assert len(words) > 10
    assert [word for word in words if not list(PROJECT.glob(word))] == []


def test_every_instance_is_a_unit_that_waits_until_its_server_answers():
    for service in WEB:
        for unit in UNITS[service]:
            assert unit.one("ExecStartPost").endswith(f" http://127.0.0.1:{unit.environment['PORT']}/livez")
            assert unit.seconds("TimeoutStartSec") > 60
