"""deploy/ha: the programs accept the files, whose numbers are those that the tests with hosts of their own show."""

import os
import re
import subprocess

import psycopg
import pytest
import redis
import yaml

from flashsale.local.supervisor import find_valkey
from flashsale.tests.hosts import addresses, postgresql, valkey
from flashsale.tests.support.browser import tool
from flashsale.tests.support.processes import PROJECT, free_port, start, stop, wait_until

HA = PROJECT / "deploy" / "ha"
# Of a test on one disk and two cores.
OF_THE_TEST = {"max_connections", "shared_buffers", "fsync"}
OF_THE_SITE = re.compile(r"(flashsale|\{\w+\}|listen_\w+|unix_socket_dir|auth_type|default_pool_size) =|\[|#")


def lines(text: str) -> set[str]:
    """Return the settings of a file, as they are written."""
    return {line.strip() for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"}


def _changed(text: str, changes: dict[str, str]) -> str:
    """Return the text with each of these replaced; all occur in it."""
    for there, here in changes.items():
        assert there in text
        text = text.replace(there, here)
    return text


def test_patroni_has_the_times_that_were_tried():
    settings = yaml.safe_load((HA / "patroni.yml").read_text())
    shipped, tried = settings["bootstrap"]["dcs"], postgresql.CLUSTER
    document = (PROJECT / "docs" / "deployment-vm.md").read_text()

    assert _comparable(shipped) == _comparable(tried)
    assert f"max_connections = {shipped['postgresql']['parameters']['max_connections']}\n" in document
    assert settings["watchdog"]["mode"] == "automatic"


def _comparable(cluster: dict) -> dict:
    """Return the settings of a cluster without those of the test's machine."""
    parameters = cluster["postgresql"]["parameters"].items()
    kept = {name: str(value) for name, value in parameters if name not in OF_THE_TEST}
    return cluster | {"postgresql": cluster["postgresql"] | {"parameters": kept}}


def test_haproxy_accepts_its_file_which_finds_the_primary_as_it_was_tried():
    checked = subprocess.run(
        [tool("haproxy"), "-c", "-f", str(HA / "haproxy.cfg")], capture_output=True, text=True, check=False
    )
    [tried] = re.findall(r"^listen postgresql\n(.*?)^listen", addresses.HAPROXY, re.M | re.S)

    assert checked.returncode == 0, checked.stderr
    assert {line for line in lines(tried) if not re.match(r"bind|\{", line)} <= lines((HA / "haproxy.cfg").read_text())


def test_pgbouncer_starts_with_its_file_whose_times_were_tried(tmp_path):
    port, text = free_port(), (HA / "pgbouncer.ini").read_text()
    changes = {
        "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
        "/etc/pgbouncer/userlist.txt": "/dev/null",
    }
    own = tmp_path / "pgbouncer.ini"
    own.write_text(_changed(text, changes))
    # It refuses to run as root, and another user cannot look into the test's folder.
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    argv = [*as_nobody, tool("pgbouncer"), "/dev/stdin"]
    with own.open() as readable, (tmp_path / "log").open("w") as log:
        pooler = start(*argv, environment={}, stdin=readable, stdout=log, stderr=log)
    try:
        wait_until(lambda: pooler.poll() is not None or _refuses(port), what="PgBouncer answers")
        assert pooler.poll() is None, (tmp_path / "log").read_text()
    finally:
        stop(pooler)

    assert {line for line in lines(addresses.PGBOUNCER) if not OF_THE_SITE.match(line)} <= lines(text)


def _refuses(port: int) -> bool:
    """Say whether a PgBouncer that knows no user answers there."""
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(host="127.0.0.1", port=port, user="flashsale", password="wrong", dbname="flashsale")
    return "FATAL" in str(refused.value)


def test_sentinel_starts_with_its_file_whose_times_were_tried(tmp_path):
    port, text = free_port(), (HA / "sentinel.conf").read_text()
    tried = {line.format(master=valkey.MASTER) for line in lines(valkey.SENTINEL) if re.search("milli|timeout", line)}
    changes = {"port 26379": f"port {port}", "bind 10.1.0.21 ": "bind ", "/var/lib/redis": str(tmp_path)}
    own = tmp_path / "sentinel.conf"
    own.write_text(_changed(text, changes))
    with (tmp_path / "log").open("w") as log:
        sentinel = start(find_valkey(), str(own), "--sentinel", environment={}, stdout=log, stderr=log)
    try:
        wait_until(lambda: sentinel.poll() is not None or _watches(port), what="Sentinel answers")
        assert sentinel.poll() is None, (tmp_path / "log").read_text()
    finally:
        stop(sentinel)

    assert len(tried) == 2
    assert tried <= lines(text)


def _watches(port: int) -> bool:
    with redis.Redis("127.0.0.1", port, password="the password of Sentinel", socket_timeout=2) as client:
        try:
            return bool(client.sentinel_get_master_addr_by_name(valkey.MASTER))
        except redis.ConnectionError:
            return False
