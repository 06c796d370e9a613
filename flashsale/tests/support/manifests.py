"""What `kubectl apply -k deploy` sends to a cluster, read without kubectl."""

from typing import Any

import yaml

from flashsale.tests.support.processes import PROJECT

DEPLOY = PROJECT / "deploy"
FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
Manifest = dict[str, Any]


def documents(path: str) -> list[Manifest]:
    """Return the manifests of a file below `deploy`."""
    return list(yaml.safe_load_all((DEPLOY / path).read_text()))


MANIFESTS = [manifest for path in KUSTOMIZATION["resources"] for manifest in documents(path)]
# Deployments and the job, by their names.
WORKLOADS = {
    manifest["metadata"]["name"]: manifest for manifest in MANIFESTS if manifest["kind"] in ("Deployment", "Job")
}
DEPLOYMENTS = {name: workload for name, workload in WORKLOADS.items() if workload["kind"] == "Deployment"}


def named(kind: str, name: str) -> Manifest:
    """Return the only manifest of this kind and name."""
    [manifest] = [
        manifest for manifest in MANIFESTS if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
    ]
    return manifest


def of_kind(kind: str) -> list[Manifest]:
    """Return all manifests of this kind."""
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


def pod_of(name: str) -> Manifest:
    """Return the specification of a workload's pods."""
    return WORKLOADS[name]["spec"]["template"]["spec"]


def labels_of(name: str) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    return WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]


def container_of(name: str) -> Manifest:
    """Return the only container of a workload's pods."""
    [container] = pod_of(name)["containers"]
    return container


def settings() -> dict[str, str]:
    """Return what settings.env tells all processes."""
    lines = (FOLDER / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment_of(name: str) -> dict[str, str]:
    """Return the variables of a container: those of its ConfigMap, and its own."""
    container = container_of(name)
    own = {variable["name"]: variable["value"] for variable in container.get("env", [])}
    return (settings() if "envFrom" in container else {}) | own


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Say whether a label selector matches these labels."""
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
