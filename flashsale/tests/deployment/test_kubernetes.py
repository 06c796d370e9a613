"""deploy/kubernetes: valid, hardened, and the same system as docker-compose.yml."""

import ipaddress
import os
import shutil
import subprocess
import tomllib

import kubernetes_validate
import pytest
import yaml
from django.conf import settings
from kombu.utils.imports import symbol_by_name

from flashsale.beat.scheduler import LeasedScheduler
from flashsale.observability import heartbeat
from flashsale.tests.support import deployed, manifests
from flashsale.tests.support.connections import connections_of
from flashsale.tests.support.deployed import SERVICES, nginx_configuration
from flashsale.tests.support.manifests import DEPLOYMENTS, MANIFESTS, WORKLOADS, container_of, labels_of, pod_of
from flashsale.tests.support.processes import PROJECT

WEB = ["web", "pay", "office"]
BACKGROUND = ["worker", "worker-expiry", "worker-payments", "worker-webhooks", "beat"]
APPLICATION = [*WEB, *BACKGROUND, "migrate"]
# The oldest version of Kubernetes that the documentation names, and the newest whose schemas are known.
VERSIONS = ["1.29", "1.37"]
# Those of CloudNativePG and its plugin have no schemas here.
CUSTOM = {"Cluster", "ObjectStore", "ScheduledBackup"}
# Where the servers are, and whose password it is.
OF_THE_CLUSTER = {"DATABASE_URL", "DATABASE_PASSWORD_FILE"}
RESERVED_CONNECTIONS = 20
# CoreDNS keeps answers for at most 30 s, nginx for 5 s (`valid` in deploy/nginx/compose/http.conf).
STALE_NAMES_SECONDS = 30 + 5


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def mebibytes(text: str) -> int:
    """Return a size of Compose (512m) or Kubernetes (512Mi)."""
    text = text.removesuffix("i")
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1].lower()]


def all_containers() -> list[tuple[str, dict]]:
    return [
        (f"{name}/{container['name']}", container)
        for name in WORKLOADS
        for container in [*pod_of(name).get("initContainers", []), *pod_of(name)["containers"]]
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid(version):
    [secret] = manifests.documents("kubernetes/secret-example.yaml")
    known = [manifest for manifest in [*MANIFESTS, secret] if manifest["kind"] not in CUSTOM]

    assert len(known) > 30
    for manifest in known:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_every_file_is_applied_except_the_example():
    resources = {path.removeprefix("kubernetes/") for path in manifests.KUSTOMIZATION["resources"]}

    not_resources = {"secret-example.yaml", "settings.env", "nginx-configuration.sh"}
    assert {path.name for path in manifests.FOLDER.iterdir()} == resources | not_resources
    assert manifests.KUSTOMIZATION["namespace"] == manifests.of_kind("Namespace")[0]["metadata"]["name"]


def test_every_process_of_compose_is_there():
    processes = {name for name, service in SERVICES.items() if service["image"].startswith("flashsale:")}

    assert processes == set(APPLICATION)
    assert set(WORKLOADS) == processes | {"nginx", "valkey"}
    assert {name for name, workload in WORKLOADS.items() if workload["kind"] == "Job"} == {"migrate"}


@pytest.mark.parametrize("name", APPLICATION)
def test_a_process_is_what_compose_starts(name):
    compose = deployed.environment_of(name, ALLOWED_HOSTS="shop.example.com")
    environment = manifests.environment_of(name)

    assert container_of(name).get("command") == SERVICES[name].get("command")
    assert container_of(name)["image"] == "flashsale"
    assert set(environment) >= OF_THE_CLUSTER
    assert {key: value for key, value in environment.items() if key not in OF_THE_CLUSTER} == {
        key: value for key, value in compose.items() if key not in OF_THE_CLUSTER
    } | {"CSRF_TRUSTED_ORIGINS": "https://shop.example.com"}


def test_images_have_the_versions_of_the_project_and_of_compose():
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    images = {
        image["name"]: f"{image.get('newName', image['name'])}:{image['newTag']}"
        for image in manifests.KUSTOMIZATION["images"]
    }

    assert images == {
        "flashsale": f"flashsale:{version}",
        "nginx": SERVICES["nginx"]["image"],
        "valkey": SERVICES["valkey"]["image"],
    }
    assert {container["image"] for _, container in all_containers()} == set(images)


@pytest.mark.parametrize(("name", "container"), all_containers())
def test_a_container_has_the_fewest_privileges(name, container):
    pod = pod_of(name.partition("/")[0])

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(pod)
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_container_may_use_what_it_may_in_compose(name):
    resources = container_of(name)["resources"]
    in_memory = {
        volume["name"]: volume["emptyDir"]["sizeLimit"]
        for volume in pod_of(name)["volumes"]
        if volume.get("emptyDir", {}).get("medium") == "Memory"
    }
    mounted = {mount["name"]: mount["mountPath"] for mount in container_of(name)["volumeMounts"]}
    writable = {mounted[volume]: mebibytes(size) for volume, size in in_memory.items()}

    assert mebibytes(resources["limits"]["memory"]) == mebibytes(SERVICES[name]["mem_limit"])
    for entry in SERVICES[name]["tmpfs"]:
        path, _, size = entry.partition(":size=")
        assert path in writable
        assert not size or writable[path] == mebibytes(size)


def test_every_process_has_a_second_one_on_another_host_and_drains_leave_one():
    budgets = {budget["metadata"]["name"]: budget["spec"] for budget in manifests.of_kind("PodDisruptionBudget")}

    assert set(budgets) == set(DEPLOYMENTS) - {"valkey"}
    for name in budgets:
        deployment = DEPLOYMENTS[name]
        selector = {"matchLabels": {"app": name}}
        assert deployment["spec"]["replicas"] >= 2
        assert deployment["spec"]["selector"] == selector == budgets[name]["selector"]
        assert budgets[name]["maxUnavailable"] == 1
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        spread = {constraint["topologyKey"]: constraint for constraint in pod_of(name)["topologySpreadConstraints"]}
        assert set(spread) == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(constraint["labelSelector"] == selector for constraint in spread.values())


def test_connections_stay_below_max_connections_during_an_update():
    given = int(manifests.named("Cluster", "database")["spec"]["postgresql"]["parameters"]["max_connections"])

    def most(name: str) -> int:
        deployment = WORKLOADS[name]["spec"]
        pods = (
            deployment.get("replicas", 1)
            + deployment.get("strategy", {"rollingUpdate": {"maxSurge": 0}})["rollingUpdate"]["maxSurge"]
        )
        return pods * connections_of(container_of(name).get("command", []), manifests.environment_of(name))

    needed = {name: most(name) for name in APPLICATION}

    assert needed["web"] == 4 * 24
    assert sum(needed.values()) + RESERVED_CONNECTIONS <= given


def sleep_before_stop(name: str) -> int:
    hook = container_of(name).get("lifecycle", {}).get("preStop", {"exec": {"command": ["sleep", "0"]}})
    program, duration = hook["exec"]["command"]
    assert program == "sleep"
    return int(duration)


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - {"migrate"}))
def test_a_pod_has_the_time_to_stop_that_compose_gives_it(name):
    given = pod_of(name)["terminationGracePeriodSeconds"] - sleep_before_stop(name)

    assert given == seconds(SERVICES[name]["stop_grace_period"])


@pytest.mark.parametrize("name", WEB)
def test_a_web_pod_serves_until_nginx_knows_that_it_stops(name):
    service = manifests.named("Service", name)["spec"]

    assert sleep_before_stop(name) > STALE_NAMES_SECONDS
    # nginx gets the pods' addresses, and not one that keeps connections to a pod that stops.
    assert service["clusterIP"] == "None"
    assert service["selector"] == {"app": name}
    assert service["ports"][0]["port"] == container_of(name)["ports"][0]["containerPort"] == 8000


@pytest.mark.parametrize("name", WEB)
def test_a_web_pod_begins_when_it_can_sell_and_a_lost_database_does_not_take_it_out(name):
    container = container_of(name)

    assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/livez"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["livenessProbe"]["failureThreshold"] * container["livenessProbe"]["periodSeconds"] >= 60


@pytest.mark.parametrize("name", BACKGROUND)
def test_a_worker_or_beat_is_ready_while_compose_calls_it_healthy(name):
    kind, command = SERVICES[name]["healthcheck"]["test"]
    container = container_of(name)

    assert kind == "CMD-SHELL"
    assert container["startupProbe"]["exec"]["command"] == ["sh", "-c", command]
    assert container["readinessProbe"]["exec"]["command"] == ["sh", "-c", command]
    assert container["livenessProbe"]["exec"]["command"] == ["sh", "-c", command.replace("-0.5", "-10")]


@pytest.mark.parametrize("name", [*WEB, *BACKGROUND])
def test_a_pod_waits_for_the_migrations(name):
    [waiting] = pod_of(name)["initContainers"]

    assert "manage.py migrate --check" in waiting["command"][-1]
    assert waiting["envFrom"] == container_of(name)["envFrom"]
    assert waiting["volumeMounts"] == container_of(name)["volumeMounts"]


def test_each_queue_has_a_worker():
    commands = [container_of(name)["command"] for name in BACKGROUND if name != "beat"]

    assert sorted(command[command.index("-Q") + 1] for command in commands) == sorted(heartbeat.QUEUES)
    assert not [command for command in commands if {"-B", "--beat"} & set(command)]


def test_of_two_beats_one_sends():
    assert DEPLOYMENTS["beat"]["spec"]["replicas"] == 2
    assert issubclass(symbol_by_name(settings.CELERY_BEAT_SCHEDULER), LeasedScheduler)


def test_secrets_are_files_that_the_script_makes_or_the_database_brings():
    [example] = manifests.documents("kubernetes/secret-example.yaml")
    files = {value for name, value in manifests.settings().items() if name.endswith("_FILE")}
    of_compose = {*SERVICES["web"]["secrets"]} - {"postgres_password"}

    assert set(example["stringData"]) == of_compose
    assert set(example["stringData"].values()) == {""}
    assert files == {f"/run/secrets/{name}" for name in of_compose} | {"/run/database/password"}
    for name in APPLICATION:
        volumes = {volume["name"]: volume for volume in pod_of(name)["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in container_of(name)["volumeMounts"]}
        assert volumes[mounts["/run/secrets"]]["secret"]["secretName"] == example["metadata"]["name"]
        [password, authority] = volumes[mounts["/run/database"]]["projected"]["sources"]
        assert password["secret"] == {"name": "database-app", "items": [{"key": "password", "path": "password"}]}
        assert authority["secret"] == {"name": "database-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}


def test_the_database_is_checked_and_loses_no_acknowledged_transaction():
    cluster = manifests.named("Cluster", "database")["spec"]
    [plugin] = cluster["plugins"]
    backup = manifests.named("ScheduledBackup", "database")["spec"]

    assert manifests.settings()["DATABASE_URL"] == (
        f"postgresql://{cluster['bootstrap']['initdb']['owner']}@database-rw:5432/"
        f"{cluster['bootstrap']['initdb']['database']}?sslmode=verify-full&sslrootcert=/run/database/ca.crt"
    )
    assert cluster["instances"] == 3
    assert cluster["postgresql"]["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}
    assert plugin["isWALArchiver"] is True
    assert manifests.named("ObjectStore", plugin["parameters"]["barmanObjectName"])["spec"]["retentionPolicy"]
    assert backup["cluster"] == {"name": "database"}
    assert backup["pluginConfiguration"]["name"] == plugin["name"]


def test_valkey_is_alone_evicts_no_task_and_moves_to_another_node_soon():
    command = container_of("valkey")["command"]
    deployment = DEPLOYMENTS["valkey"]["spec"]
    tolerated = {toleration["key"]: toleration["tolerationSeconds"] for toleration in pod_of("valkey")["tolerations"]}

    assert [word for word in command if word not in ("--dir", "/data")] == SERVICES["valkey"]["command"]
    assert {mount["mountPath"] for mount in container_of("valkey")["volumeMounts"]} == {"/data", "/tmp"}
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert set(tolerated.values()) == {30}


def test_prometheus_finds_every_process_with_metrics():
    config = yaml.safe_load((PROJECT / "deploy" / "prometheus.yml").read_text())
    scraped = {job["job_name"]: str(job["dns_sd_configs"][0]["port"]) for job in config["scrape_configs"]}

    annotated = {
        name: annotations["prometheus.io/port"]
        for name in WORKLOADS
        if (annotations := WORKLOADS[name]["spec"]["template"]["metadata"].get("annotations"))
    }

    assert annotated == {name: port for name, port in scraped.items() if name in WORKLOADS}


def egress_of(labels: dict[str, str]) -> list[dict]:
    """Return the rules for what pods with these labels may reach; names of hosts are left out."""
    policies = [
        policy["spec"] for policy in manifests.of_kind("NetworkPolicy") if policy["metadata"]["name"] != "names"
    ]
    return [
        rule
        for policy in policies
        if "Egress" in policy["policyTypes"] and manifests.selects(policy["podSelector"], labels)
        for rule in policy.get("egress", [])
    ]


def reached_by(name: str) -> set[str]:
    """Return the workloads that a workload's pods may reach, `db`, and `outside`."""
    pods = {other: labels_of(other) for other in WORKLOADS} | {"db": {"cnpg.io/cluster": "database"}}
    peers = [peer for rule in egress_of(labels_of(name)) for peer in rule["to"]]
    reached = {
        other
        for other, labels in pods.items()
        for peer in peers
        if "podSelector" in peer and manifests.selects(peer["podSelector"], labels)
    }
    return reached | ({"outside"} if any("ipBlock" in peer for peer in peers) else set())


def test_pods_reach_what_they_reach_in_compose():
    nothing = manifests.named("NetworkPolicy", "nothing-by-default")["spec"]
    reached = {name: reached_by(name) for name in WORKLOADS}

    outside = {name for name in WORKLOADS if "outside" in SERVICES[name]["networks"]}
    expected = {name: {"db", "valkey"} | ({"outside"} if name in outside else set()) for name in APPLICATION}
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert reached == expected | {"nginx": set(WEB), "valkey": set()}


def test_no_private_address_is_outside():
    rule = manifests.named("NetworkPolicy", "outside")["spec"]["egress"]
    blocks = [peer["ipBlock"] for peer in rule[0]["to"]]
    excepted = [ipaddress.ip_network(network) for block in blocks for network in block["except"]]

    for address in ("10.0.0.1", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "fd00::1", "fe80::1"):
        assert any(ipaddress.ip_address(address) in network for network in excepted), address


@pytest.mark.parametrize(
    ("resolv_conf", "resolver", "balancers", "trusted"),
    [
        ("search flashsale.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n", "10.96.0.10", "", []),
        (
            "nameserver fd00::a\nnameserver 10.96.0.10\nsearch flashsale.svc.cluster.local\noptions ndots:5\n",
            "[fd00::a]",
            "10.0.0.0/8 2001:db8::/32",
            ["10.0.0.0/8", "2001:db8::/32"],
        ),
    ],
)
def test_nginx_asks_the_clusters_dns_for_full_names(tmp_path, resolv_conf, resolver, balancers, trusted):
    (tmp_path / "resolv.conf").write_text(resolv_conf)
    made = tmp_path / "made.conf"
    given = {line.strip() for line in nginx_configuration("compose").splitlines()}
    for file in nginx_files():
        shutil.copy(PROJECT / "deploy" / file, tmp_path)
    argv = ["sh", tmp_path / "nginx-configuration.sh", tmp_path, made, tmp_path / "resolv.conf"]

    subprocess.run(argv, env={"PATH": os.environ["PATH"], "BALANCER_NETWORKS": balancers}, check=True)

    changed = [line.strip() for line in made.read_text().splitlines() if line.strip() not in given]
    assert changed == [
        *([" ".join(f"set_real_ip_from {network};" for network in trusted)] if trusted else []),
        *(["real_ip_header X-Forwarded-For;", "real_ip_recursive on;"] if trusted else []),
        f"resolver {resolver} valid=5s ipv6=off;",
        *[f"server {name}.flashsale.svc.cluster.local:8000 resolve fail_timeout=1s;" for name in WEB],
    ]


def nginx_files() -> list[str]:
    """Return the files that nginx's pods get, by their paths below deploy/."""
    generators = manifests.KUSTOMIZATION["configMapGenerator"]
    return next(generator["files"] for generator in generators if generator["name"] == "nginx")


def test_nginx_is_not_started_without_a_dns_server(tmp_path):
    (tmp_path / "resolv.conf").write_text("options ndots:5\n")
    argv = ["sh", "deploy/kubernetes/nginx-configuration.sh", "deploy", "made", tmp_path / "resolv.conf"]

    refused = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert "names no server or no search domain" in refused.stderr
    assert not (PROJECT / "made").exists()
