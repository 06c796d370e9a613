"""Around docker-compose.yml: managed servers, images by version, and replacing containers one after another."""

import importlib.resources
import json
import os
import re
import runpy
import ssl
import subprocess
import tomllib
from unittest.mock import patch

import jsonschema
import pytest
from kombu import Connection

from flashsale.tests.support.compose_files import load, merged
from flashsale.tests.support.connections import connections_of
from flashsale.tests.support.deployed import COMPOSE, SECRETS, SERVICES, environment_of, make_secrets
from flashsale.tests.support.processes import PROJECT

OVERRIDE = "deploy/compose.managed.yml"
OURS = {name for name, service in SERVICES.items() if "build" in service}
OWN_SERVERS = {"db", "valkey"}
WEB = ["office", "pay", "web"]
DATABASE_URL = (
    "postgresql://flashsale@db.example.com:5432/flashsale?sslmode=verify-full&sslrootcert=/run/secrets/database_ca"
)
# Stands for Docker: it keeps what it is told, and has two containers of each service.
DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_CALLS"
case "$*" in
    "compose ps -q "*) printf '%s-old-1\\n%s-old-2\\n' "$4" "$4" ;;
esac
"""


@pytest.fixture(scope="module")
def managed():
    return merged("docker-compose.yml", OVERRIDE)


def test_managed_servers_are_valid_for_compose(managed):
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())

    jsonschema.validate(load(OVERRIDE), schema)
    jsonschema.validate(managed, schema)


def test_with_managed_servers_none_of_our_own_is_started(managed):
    services = managed["services"]
    needed = {
        (name, other)
        for name, service in services.items()
        for other, condition in service.get("depends_on", {}).items()
        if other in OWN_SERVERS and condition.get("required", True)
    }

    assert {name for name, service in services.items() if "own-servers" in service.get("profiles", [])} == OWN_SERVERS
    assert {name for name, _ in needed if "profiles" not in services[name]} == set()


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_process_reaches_the_managed_servers(managed, name):
    service = managed["services"][name]
    environment = service["environment"]
    files = [value.removeprefix(SECRETS) for value in environment.values() if value and value.startswith(SECRETS)]

    assert environment["DATABASE_URL"].startswith("${DATABASE_URL:?")
    assert "outside" in service["networks"]
    assert not managed["networks"]["outside"]
    assert {*files, "database_ca"} <= set(service["secrets"]) <= set(managed["secrets"])
    assert "migrate" in service["depends_on"] or name == "migrate"


def test_the_programs_verify_the_managed_servers(managed, tmp_path):
    folder = tmp_path / "secrets"
    make_secrets(folder)
    (folder / "redis_url").write_text("rediss://:pass@cache.example.com:6379/0\n")
    (folder / "celery_broker_url").write_text("rediss://:pass@cache.example.com:6379/1\n")
    environment = environment_of("worker", ALLOWED_HOSTS="shop.example.com") | {"ALIVE_FILE": f"{tmp_path}/alive"}
    of_managed = managed["services"]["worker"]["environment"]
    environment |= {name: of_managed[name] for name in ("REDIS_URL_FILE", "CELERY_BROKER_URL_FILE")}
    environment |= {"DATABASE_URL": DATABASE_URL, "ENV_FILE": os.devnull, "STATE_DIR": str(tmp_path)}
    here = {
        name: f"{folder}/{value.removeprefix(SECRETS)}" if value.startswith(SECRETS) else value
        for name, value in environment.items()
    }

    with patch.dict(os.environ, here, clear=True):
        settings = runpy.run_path(str(PROJECT / "flashsale" / "settings.py"))

    database = settings["DATABASES"]["default"]
    assert (database["HOST"], database["PASSWORD"]) == (
        "db.example.com",
        (folder / "postgres_password").read_text().strip(),
    )
    assert database["OPTIONS"]["sslmode"] == "verify-full"
    assert database["OPTIONS"]["sslrootcert"] == "/run/secrets/database_ca"
    assert settings["REDIS_URL"] == "rediss://:pass@cache.example.com:6379/0"
    assert Connection(settings["CELERY_BROKER_URL"]).ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}


def test_the_image_is_named_and_labelled_by_the_version_of_the_checkout():
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    dockerfile = (PROJECT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    builds = [SERVICES[name]["build"] for name in OURS]

    assert {SERVICES[name]["image"] for name in OURS} == {f"flashsale:${{FLASHSALE_VERSION:-{version}}}"}
    assert all(build["args"]["VERSION"] == f"${{FLASHSALE_VERSION:-{version}}}" for build in builds)
    assert set(re.findall(r"^ARG (\w+)=", dockerfile, re.M)) == set(builds[0]["args"]) == {"VERSION", "REVISION"}
    assert "org.opencontainers.image.version=$VERSION" in dockerfile
    assert "org.opencontainers.image.revision=$REVISION" in dockerfile


def test_containers_are_replaced_when_others_serve(tmp_path):
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_CALLS": str(calls), "SETTLE_SECONDS": "0"}

    subprocess.run(["sh", "deploy/rolling-update.sh"], cwd=PROJECT, env=environment, check=True)

    made = calls.read_text().splitlines()
    assert made == [
        "compose run --rm --no-deps migrate",
        *[
            call
            for service in WEB
            for call in (
                f"compose ps -q {service}",
                f"compose up -d --no-deps --no-recreate --wait --scale {service}=4 {service}",
                f"stop {service}-old-1",
                f"rm {service}-old-1",
                f"stop {service}-old-2",
                f"rm {service}-old-2",
            )
        ],
        "compose up -d --no-deps worker-expiry worker-payments worker-webhooks worker beat",
    ]
    assert {*made[-1].split()[4:], *WEB, "migrate"} == OURS


def test_a_failed_step_stops_the_replacement(tmp_path):
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text(f'{DOCKER}\ncase "$*" in *"--wait"*) exit 1 ;; esac\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_CALLS": str(calls), "SETTLE_SECONDS": "0"}

    stopped = subprocess.run(["sh", "deploy/rolling-update.sh"], cwd=PROJECT, env=environment, check=False)

    assert stopped.returncode != 0
    assert not [call for call in calls.read_text().splitlines() if call.startswith("stop")]


def test_connections_are_enough_while_one_kind_of_container_runs_twice():
    [given] = [int(word.split("=")[1]) for word in SERVICES["db"]["command"] if word.startswith("max_connections=")]

    def all_replicas(name: str) -> int:
        environment = environment_of(name, ALLOWED_HOSTS="shop.test")
        replicas = SERVICES[name].get("deploy", {}).get("replicas", 1)
        return replicas * connections_of(SERVICES[name].get("command", []), environment)

    needed = {name: all_replicas(name) for name in OURS}

    assert sum(needed.values()) + max(needed[name] for name in WEB) + 3 <= given
    assert COMPOSE["services"]["web"]["healthcheck"]
