"""PostgreSQL on two hosts under Patroni, which keeps its state in etcd on a third."""

import contextlib
import json
import shutil
from typing import Any

import httpx
import psycopg

from flashsale.local.supervisor import find_postgres
from flashsale.tests.hosts.network import ACCOUNT, Host, Network
from flashsale.tests.hosts.tools import patroni, tool
from flashsale.tests.support.processes import wait_until

ETCD_PORT, REST_PORT, PORT = 2379, 8008, 5432
SUPERUSER, OWNER, DATABASE = "postgres", "flashsale", "flashsale"
# Written to by the tests themselves, beside the shop's.
PROBED = "probed"
ASK_SECONDS = 5

# What Patroni stores in etcd for both.
CLUSTER = {
    # The primary's lease in etcd. When a primary's host dies, the standby is promoted this long after the last renewal:
    # most of the time that such a shop sells nothing. Patroni takes no smaller value.
    "ttl": 20,
    # How often each member looks, and the primary renews its lease. A dead standby is no longer waited for after this.
    "loop_wait": 2,
    # For how long etcd and PostgreSQL may fail to answer. ttl must be at least loop_wait and twice this.
    "retry_timeout": 5,
    # A COMMIT is answered when the standby has it, and only a standby that has every such COMMIT is promoted. Without
    # a standby Patroni lets the primary go on alone; with `synchronous_mode_strict` the shop would sell nothing.
    "synchronous_mode": True,
    # Without etcd a primary goes on as long as it reaches every other member; a primary that is cut off reaches none.
    "failsafe_mode": True,
    "postgresql": {
        # A primary that was replaced becomes a standby without copying everything: its own last records are undone.
        "use_pg_rewind": True,
        "parameters": {
            "max_connections": 80,
            "shared_buffers": "32MB",
            # A standby that is silent is no longer waited for after this. COMMITs that wait meanwhile are cancelled
            # after DATABASE_COMMIT_SECONDS. The default is 60 s.
            "wal_sender_timeout": "10s",
            # A standby whose primary is silent connects again.
            "wal_receiver_timeout": "10s",
            # Clients that are silent, such as a dead web host, lose their locks after 10 s.
            "tcp_keepalives_idle": 5,
            "tcp_keepalives_interval": 2,
            "tcp_keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            # Only here, where all hosts share a disk: a process that is killed loses nothing that the kernel has. Real
            # machines lose their power, too.
            "fsync": "off",
        },
    },
}


class Member:
    """A host with PostgreSQL and the Patroni that runs it."""

    def __init__(self, host: Host, etcd: Host) -> None:
        self.host = host
        self.rest = f"http://{host.address}:{REST_PORT}"
        self._settings = host.folder / "patroni.yml"
        self._settings.write_text(json.dumps(_settings(host, etcd)))
        shutil.chown(self._settings, ACCOUNT)

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL: a new one, a copy of the primary, or what it was before."""
        self.host.start(patroni(), str(self._settings), as_nobody=True)

    def role(self) -> str:
        """What Patroni says that it is now: `primary`, `replica`, or nothing where it does not answer."""
        with contextlib.suppress(httpx.HTTPError):
            said = httpx.get(f"{self.rest}/patroni", timeout=ASK_SECONDS, trust_env=False).json()
            return said["role"] if said["state"] in ("running", "streaming") else ""
        return ""

    def is_synchronous(self) -> bool:
        """Say whether it is the standby for which the primary waits."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.rest}/sync", timeout=ASK_SECONDS, trust_env=False).is_success
        return False

    def url(self, database: str = DATABASE, user: str = OWNER) -> str:
        """The address of this PostgreSQL itself."""
        return f"postgresql://{user}@{self.host.address}:{PORT}/{database}"


class Cluster:
    """Two members, of which one is the primary and the other one its synchronous standby."""

    def __init__(self, network: Network) -> None:
        self.etcd = network.add("etcd")
        self.members = [Member(network.add(name), self.etcd) for name in ("db1", "db2")]

    def start(self) -> None:
        """Start etcd and both members; `is_whole` says when they are ready."""
        self.start_etcd()
        for member in self.members:
            member.start()

    def start_etcd(self) -> None:
        """Start etcd, with the state that it had."""
        url = f"http://{self.etcd.address}:{ETCD_PORT}"
        self.etcd.start(
            tool("etcd"), "--data-dir", str(self.etcd.folder / "data"),
            "--listen-client-urls", url, "--advertise-client-urls", url, "--log-level", "error",
        )  # fmt: skip

    def primary(self) -> Member:
        """The member that is the primary, waiting for one."""
        wait_until(self._primaries, what="PostgreSQL has a primary")
        return self._primaries()[0]

    def standby(self) -> Member:
        """The other one."""
        primary = self.primary()
        return next(member for member in self.members if member is not primary)

    def is_whole(self) -> bool:
        """Say whether there is a primary with a synchronous standby."""
        return len(self._primaries()) == 1 and any(member.is_synchronous() for member in self.members)

    def synchronous_names(self) -> str:
        """The standbys for which the primary waits, as PostgreSQL itself says; nothing when it waits for none."""
        with psycopg.connect(self.primary().url("postgres", SUPERUSER), autocommit=True) as server:
            return server.execute("SHOW synchronous_standby_names").fetchone()[0]

    def switch_over(self) -> None:
        """Let the members change places; returns when Patroni says that they have."""
        order = {"leader": self.primary().host.name, "candidate": self.standby().host.name}
        answer = httpx.post(f"{self.primary().rest}/switchover", json=order, timeout=60, trust_env=False)
        assert answer.is_success, answer.text

    def create_databases(self) -> None:
        """Create the shop's role and database, and the one that is probed."""
        with psycopg.connect(self.primary().url("postgres", SUPERUSER), autocommit=True) as server:
            server.execute(f"CREATE ROLE {OWNER} LOGIN")
            # For PgBouncer, which drops what a connection asks for at its start.
            for name, value in {"lock_timeout": "2s", "statement_timeout": "10s"}.items():
                server.execute(f"ALTER ROLE {OWNER} SET {name} = '{value}'")
            server.execute(f"ALTER ROLE {OWNER} SET idle_in_transaction_session_timeout = '5s'")
            for database in (DATABASE, PROBED):
                server.execute(f"CREATE DATABASE {database} OWNER {OWNER}")

    def _primaries(self) -> list[Member]:
        return [member for member in self.members if member.role() == "primary"]


def _settings(host: Host, etcd: Host) -> dict[str, Any]:
    """Return the configuration of the Patroni on a host; YAML that is JSON, too."""
    return {
        "scope": "flashsale",
        "name": host.name,
        "restapi": {"listen": f"{host.address}:{REST_PORT}", "connect_address": f"{host.address}:{REST_PORT}"},
        "etcd3": {"hosts": f"{etcd.address}:{ETCD_PORT}"},
        "bootstrap": {
            "dcs": CLUSTER,
            "initdb": [
                {"encoding": "UTF8"}, {"locale-provider": "builtin"}, {"builtin-locale": "C.UTF-8"}, {"locale": "C"},
                # pg_rewind needs them.
                "data-checksums", "no-sync",
            ],
        },
        "postgresql": {
            "listen": f"{host.address}:{PORT}",
            "connect_address": f"{host.address}:{PORT}",
            "bin_dir": str(find_postgres("postgres").parent),
            "data_dir": str(host.folder / "data"),
            "pgpass": str(host.folder / "pgpass"),
            # No other program is in this network.
            "pg_hba": ["local all all trust", "host all all 10.99.0.0/24 trust", "host replication all all trust"],
            "authentication": {role: {"username": SUPERUSER} for role in ("superuser", "replication", "rewind")},
            "parameters": {"unix_socket_directories": str(host.folder)},
            "basebackup": [{"checkpoint": "fast"}, "no-sync"],
            # When its own records cannot be undone, it is copied again.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
        # A real host needs one, which restarts it when its Patroni stands still (patroni.readthedocs.io, watchdog).
        "watchdog": {"mode": "off"},
    }  # fmt: skip
