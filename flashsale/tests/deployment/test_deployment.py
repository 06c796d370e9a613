"""docker-compose.yml and what it mounts: hardened, within its limits, and consistent with what the programs need."""

import os
import re
import stat
import subprocess
import time

import pytest
import yaml
from django.conf import settings

from flashsale import server
from flashsale.tests.support.browser import tool
from flashsale.tests.support.connections import connections_of
from flashsale.tests.support.deployed import (
    COMPOSE,
    SECRETS,
    SERVICES,
    deployment,
    environment_of,
    make_secrets,
    stopping,
)
from flashsale.tests.support.processes import PROJECT, free_port, wait_until

ONE_SHOT = {"migrate"}
# The heading in .env.example below which the programs read nothing.
ONLY_COMPOSE = "# --- Only docker-compose.yml reads these ---"
OURS = {"web", "pay", "office", "worker", "worker-expiry", "worker-payments", "worker-webhooks", "beat", "migrate"}
SECRET_SETTINGS = {
    "SECRET_KEY", "SECRET_KEY_FALLBACKS", "QUEUE_KEYS", "DATABASE_PASSWORD", "STANDARD_WEBHOOK_SECRETS",
    "STRIPE_WEBHOOK_SECRETS", "STRIPE_API_KEY", "METRICS_TOKEN",
}  # fmt: skip
# Decided by compose, for local mode only, or for test doubles.
NOT_PASSED_ON = {
    "LOCAL_MODE", "DEBUG", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "WEB_HOST", "ALIVE_FILE", "METRICS_PORT",
    "TRUSTED_PROXIES", "TRUST_FORWARDED_PROTO", "STRIPE_API_BASE", "PROMETHEUS_MULTIPROC_DIR", "REUSE_PORT",
    "DATABASE_APPLICATION_NAME", *SECRET_SETTINGS,
}  # fmt: skip
# Connections for staff at a prompt, backups, and PostgreSQL's own three for superusers.
RESERVED_CONNECTIONS = 20


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_fewest_privileges(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert not [mount for mount in service.get("volumes", []) if "docker.sock" in mount]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_and_restarts(name):
    service = SERVICES[name]

    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) is (name not in ONE_SHOT)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_its_secrets_as_files_only(name):
    service = SERVICES[name]
    environment = environment_of(name, ALLOWED_HOSTS="shop.test")

    secret_files = {value.removeprefix(SECRETS) for value in environment.values() if value.startswith(SECRETS)}
    mentioned = yaml.safe_dump(service).replace(SECRETS, "")
    assert not {"POSTGRES_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD", *SECRET_SETTINGS} & set(environment)
    assert secret_files <= set(service.get("secrets", []))
    assert not re.search(r"\$\{\w*(SECRET|PASSWORD|TOKEN|API_KEY)\w*", mentioned)
    assert re.search(r"://\w+:[^@\s]*@", mentioned) is None


def test_every_mounted_file_exists():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith("./")]

    assert len(files) == 12
    assert [file for file in files if not (PROJECT / file).exists()] == []
    assert {mount for mount in mounts if not mount.startswith("./")} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_programs_read_every_secret_from_its_file(name):
    environment = environment_of(name, ALLOWED_HOSTS="shop.test")

    assert {f"{secret}_FILE" for secret in SECRET_SETTINGS} <= set(environment)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_every_setting_of_the_env_file_reaches_the_programs(name):
    documented = {line.partition("=")[0] for line in settings_lines()}
    only_of_the_web = {"WEB_WORKERS", "WEB_REQUESTS", "WEB_DRAIN_SECONDS", "DATABASE_POOL_MAX", "MAX_CONCURRENT_HOLDS"}
    wanted = documented - NOT_PASSED_ON - (only_of_the_web if name == "worker" else set())

    passed_on = environment_of(name, **dict.fromkeys(documented, "given"))

    assert {setting for setting, value in passed_on.items() if value == "given"} == wanted


def settings_lines() -> list[str]:
    """Return the settings of .env.example that the programs read, those that are commented out too."""
    text = (PROJECT / ".env.example").read_text().partition(ONLY_COMPOSE)[0]
    lines = re.findall(r"^(?:# )?([A-Z][A-Z_]+=.*)$", text, re.M)
    return [line for line in lines if not line.startswith("PORT=")]


def test_every_setting_of_compose_alone_is_read_with_its_documented_default():
    text = (PROJECT / ".env.example").read_text().partition(ONLY_COMPOSE)[2]

    documented = dict(re.findall(r"^([A-Z][A-Z_]+)=(.*)$", text, re.M))

    read = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (PROJECT / "docker-compose.yml").read_text()))
    of_programs = {line.partition("=")[0] for line in settings_lines()}
    assert documented == {name: default for name, default in read.items() if name not in of_programs}


def test_every_setting_is_in_the_env_file():
    modules = [path for path in (PROJECT / "flashsale").rglob("*.py") if "tests" not in path.parts]
    sources = [path.read_text() for path in modules]
    read = set(re.findall(r"""(?:env\.\w+\(|_a_minute\(|environ\.get\()\s*"([A-Z_]+)\"""", "".join(sources)))

    # Where a file or a system of one's own machine is, and the port that is chosen for it.
    elsewhere = {"ENV_FILE", "STATE_DIR", "PORT"}
    assert read - {line.partition("=")[0] for line in settings_lines()} == elsewhere


def test_the_beat_runs_apart_from_workers_and_its_successor_starts_first():
    beat = SERVICES["beat"]

    assert beat["deploy"] == {"replicas": 1, "update_config": {"parallelism": 1, "order": "start-first"}}
    assert [name for name, service in SERVICES.items() if "beat" in service.get("command", [])] == ["beat"]
    assert not [name for name, service in SERVICES.items() if {"-B", "--beat"} & set(service.get("command", []))]


def test_the_web_has_two_replicas_and_the_servers_default_sizes():
    environment = environment_of("web", ALLOWED_HOSTS="shop.test")

    assert SERVICES["web"]["deploy"]["replicas"] == 2
    assert int(environment["WEB_WORKERS"]) == server.WORKERS
    assert int(environment["DATABASE_POOL_MAX"]) == server.CONNECTIONS


def connections_of_all(name: str) -> int:
    """Return how many connections to PostgreSQL all replicas of a service have at most."""
    environment = environment_of(name, ALLOWED_HOSTS="shop.test")
    replicas = SERVICES[name].get("deploy", {}).get("replicas", 1)
    return replicas * connections_of(SERVICES[name].get("command", []), environment)


def test_all_connections_together_are_below_max_connections():
    [given] = [int(word.split("=")[1]) for word in SERVICES["db"]["command"] if word.startswith("max_connections=")]

    needed = {name: connections_of_all(name) for name in sorted(OURS)}

    of_workers = {"worker": 3, "worker-expiry": 2, "worker-payments": 19, "worker-webhooks": 3}
    assert needed == {"beat": 1, "migrate": 1, "office": 6, "pay": 24, "web": 48} | of_workers
    assert sum(needed.values()) + RESERVED_CONNECTIONS <= given


def test_the_grace_period_covers_the_longest_request_or_task():
    def seconds(name: str) -> int:
        return int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

    assert min(seconds(name) for name in ("web", "pay", "office")) > server.DRAIN_SECONDS + server.STOP_SECONDS
    assert min(seconds(name) for name in SERVICES if name.startswith("worker")) > settings.CELERY_TASK_TIME_LIMIT


def test_only_some_services_reach_outside_and_the_databases_are_internal():
    def networks(name: str) -> set[str]:
        return set(SERVICES[name]["networks"])

    open_networks = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}

    assert open_networks == {"edge", "outside", "alerts"}
    assert [name for name in SERVICES if "alerts" in networks(name)] == ["alertmanager"]
    assert networks("db") == networks("valkey") == {"back"}
    asking_or_sending = {"pay", "worker", "worker-payments", "worker-webhooks"}
    assert {name for name in SERVICES if networks(name) & open_networks} == {
        "nginx",
        "grafana",
        "alertmanager",
    } | asking_or_sending
    assert not any("back" in networks(name) for name in ("nginx", "grafana", "alertmanager"))
    assert {name for name, service in SERVICES.items() if service.get("ports")} == {"nginx", "grafana"}
    assert SERVICES["grafana"]["ports"] == ["127.0.0.1:3000:3000"]


def test_valkey_persists_its_data_and_evicts_no_task():
    command = " ".join(SERVICES["valkey"]["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert SERVICES["valkey"]["volumes"] == ["valkey:/data"]


def test_the_image_runs_without_root_and_holds_no_secrets():
    build, final = re.split(r"^FROM ", (PROJECT / "Dockerfile").read_text(), flags=re.M)[1:]
    copied = set(re.findall(r"^COPY (\w+) ", build, re.M))

    assert re.findall(r"^USER (.*)$", final, re.M) == [SERVICES["web"]["user"]]
    assert "COPY --from=build" in final
    assert "pip" not in final
    assert copied == {"flashsale", "catalog", "checkout", "payments"}
    assert {".env", "secrets", ".git", ".state"} <= set((PROJECT / ".dockerignore").read_text().split())
    assert "secrets/" in (PROJECT / ".gitignore").read_text().split()


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path):
    folder = tmp_path / "secrets"

    make_secrets(folder)
    (folder / "stripe_api_key").chmod(0o600)
    (folder / "stripe_api_key").write_text("sk_live_1\n")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    make_secrets(folder)

    assert set(before) == set(COMPOSE["secrets"])
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    filled = [value for value in before.values() if value.strip()]
    assert len(set(filled)) == len(filled) == 7


def test_prometheus_scrapes_every_service_with_metrics():
    promtool = tool("promtool")
    checked = subprocess.run(
        [promtool, "check", "config", "--syntax-only", "deploy/prometheus.yml"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    config = yaml.safe_load((PROJECT / "deploy" / "prometheus.yml").read_text())
    jobs = config["scrape_configs"]
    found = {tuple(job["dns_sd_configs"][0]["names"]): job["dns_sd_configs"][0]["port"] for job in jobs}
    workers = {
        (name,): int(environment["METRICS_PORT"])
        for name in OURS
        if "METRICS_PORT" in (environment := environment_of(name, ALLOWED_HOSTS="shop.test"))
    }

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert found.pop(("backup-metrics",)) == 9100
    assert found == {("web",): 8000, ("pay",): 8000, ("office",): 8000} | workers
    assert set(workers) == {("worker",), ("worker-expiry",), ("worker-payments",), ("worker-webhooks",)}
    of_the_shop = [job for job in jobs if job["job_name"] != "backup"]
    assert {job["authorization"]["credentials_file"] for job in of_the_shop} == {f"{SECRETS}metrics_token"}
    assert SERVICES["prometheus"]["secrets"] == ["metrics_token"]
    assert all((PROJECT / "deploy" / name).exists() for name in config["rule_files"])


@pytest.fixture(scope="module")
def deployed(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), deployment() as deployed:
        yield deployed


@pytest.mark.django_db
def test_the_programs_accept_the_environment_of_compose(deployed):
    checked = deployed.manage("check", "--deploy", "--fail-level", "WARNING")

    assert checked.returncode == 0, checked.stderr


@pytest.mark.django_db
def test_a_worker_or_beat_without_a_recent_heartbeat_is_unhealthy(deployed):
    names, begun_at = ["worker", "beat"], time.time()
    # A free port: the one in docker-compose.yml may be in use.
    programs = {name: deployed.start(name, METRICS_PORT=str(free_port())) for name in names}
    assert not any(deployed.is_healthy(name) for name in names)

    with stopping(*programs.values()):
        for name in names:
            wait_until(lambda name=name: deployed.is_healthy(name), what=f"{name} is healthy")

    # The processes that touch the files have stopped.
    for name in names:
        alive = deployed.folder / f"{name}-alive"
        assert alive.stat().st_mtime >= begun_at
        os.utime(alive, (time.time() - 31,) * 2)
        assert not deployed.is_healthy(name)
        assert programs[name].returncode == 0
