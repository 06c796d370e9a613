"""What these hosts show holds for real ones: the settings of `deploy/ha` are those that are tested here."""

import configparser
from typing import Any

import yaml

from flashsale.tests.hosts.addresses import HAPROXY, PGBOUNCER
from flashsale.tests.hosts.postgresql import CLUSTER
from flashsale.tests.hosts.valkey import SENTINEL
from flashsale.tests.support.processes import PROJECT

DEPLOYED = PROJECT / "deploy/ha"
# Sizes of the machine, and what only hosts that share a disk may do.
OF_THE_MACHINE = {"max_connections", "shared_buffers", "fsync"}


def lines_of(text: str, *, that_begin: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip().startswith(that_begin)}


def pgbouncer(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    sized_or_here = {"listen_addr", "unix_socket_dir", "auth_type", "auth_file", "default_pool_size", "max_client_conn"}
    return without(dict(parser["pgbouncer"]), sized_or_here)


def without(settings: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def test_patroni_is_deployed_as_it_is_tested():
    deployed = yaml.safe_load((DEPLOYED / "patroni.yml").read_text())["bootstrap"]["dcs"]

    of_deployed, of_tested = deployed.pop("postgresql"), CLUSTER["postgresql"]

    assert deployed == without(CLUSTER, {"postgresql"})
    assert of_deployed["use_pg_rewind"] == of_tested["use_pg_rewind"]
    assert without(of_deployed["parameters"], OF_THE_MACHINE) == without(of_tested["parameters"], OF_THE_MACHINE)


def test_haproxy_is_deployed_as_it_is_tested():
    deployed = (DEPLOYED / "haproxy.cfg").read_text()
    tested = HAPROXY.partition("listen web")[0]

    for words in ("timeout", "option httpchk", "http-check", "default-server"):
        assert lines_of(deployed, that_begin=words) == lines_of(tested, that_begin=words)


def test_pgbouncer_is_deployed_as_it_is_tested():
    tested = PGBOUNCER.replace("{pooler_port}", "6432")

    assert pgbouncer((DEPLOYED / "pgbouncer.ini").read_text()) == pgbouncer(tested)


def test_sentinel_is_deployed_as_it_is_tested():
    deployed = (DEPLOYED / "sentinel.conf").read_text()
    tested = SENTINEL.replace("{master}", "flashsale")

    for words in ("sentinel down-after", "sentinel failover-timeout"):
        assert lines_of(deployed, that_begin=words) == lines_of(tested, that_begin=words) != set()
