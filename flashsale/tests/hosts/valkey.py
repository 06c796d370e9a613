"""Valkey on two hosts, a master and its replica, and three Sentinels that replace a dead master."""

import redis

from flashsale.local.supervisor import find_valkey
from flashsale.tests.hosts.network import Host, Network

PORT, SENTINEL_PORT, MASTER = 6379, 26379, "flashsale"
SENTINEL = """
port {port}
dir {folder}
protected-mode no
logfile ""
# Two of three must miss it, so that one Sentinel that is cut off replaces nothing.
sentinel monitor {master} {address} {valkey_port} 2
# Shorter would take a busy master for a dead one. The default is 30 s.
sentinel down-after-milliseconds {master} 3000
# An attempt that fails is repeated after twice this. The default is 3 minutes.
sentinel failover-timeout {master} 10000
"""


class Valkeys:
    """The two servers and three Sentinels: one beside each server, one on a host of its own."""

    def __init__(self, network: Network) -> None:
        self.servers = [network.add(name) for name in ("valkey1", "valkey2")]
        self.sentinels = [*self.servers, network.add("sentinel3")]

    def url(self, number: int) -> str:
        """The address of a database of the master, whichever server that is."""
        sentinels = ",".join(f"{host.address}:{SENTINEL_PORT}" for host in self.sentinels)
        return f"redis+sentinel://{sentinels}/{MASTER}/{number}"

    def start(self) -> None:
        """Start everything; the first server is the master."""
        for server in self.servers:
            self.start_server(server)
        for host in self.sentinels:
            self.start_sentinel(host)

    def start_server(self, host: Host) -> None:
        """Start a server: the first as a master, the second, or one that comes back, as a replica."""
        others = [other for other in self.servers if other is not host]
        is_first = host is self.servers[0] and not host.log.exists()
        replica = [] if is_first else ["--replicaof", others[0].address, str(PORT)]
        host.start(
            find_valkey(), "--port", str(PORT), "--protected-mode", "no", "--save", "", "--dir", str(host.folder),
            "--repl-diskless-sync-delay", "0", *replica,
        )  # fmt: skip

    def start_sentinel(self, host: Host) -> None:
        """Start a Sentinel, which keeps what it learns in its settings."""
        settings = host.folder / "sentinel.conf"
        if not settings.exists():
            address = self.servers[0].address
            settings.write_text(
                SENTINEL.format(
                    port=SENTINEL_PORT, folder=host.folder, master=MASTER, address=address, valkey_port=PORT
                )
            )
        host.start(find_valkey(), str(settings), "--sentinel")

    def master(self) -> Host | None:
        """The server that the third Sentinel names as the master, if that answers as one."""
        try:
            with _client(self.sentinels[2].address, SENTINEL_PORT) as sentinel:
                address, _ = sentinel.sentinel_get_master_addr_by_name(MASTER)
            with _client(address, PORT) as server:
                role = server.role()[0]
        except redis.RedisError:
            return None
        return next((host for host in self.servers if role == "master" and host.address == address), None)

    def is_whole(self) -> bool:
        """Say whether the master has its replica, and every Sentinel knows the others."""
        master = self.master()
        if master is None:
            return False
        try:
            with _client(master.address, PORT) as server:
                if not server.info("replication")["connected_slaves"]:
                    return False
            return all(self._knows_all(host) for host in self.sentinels)
        except redis.RedisError:
            return False

    def _knows_all(self, host: Host) -> bool:
        with _client(host.address, SENTINEL_PORT) as sentinel:
            seen = sentinel.sentinel_master(MASTER)
        return seen["num-other-sentinels"] == len(self.sentinels) - 1 and seen["num-slaves"] >= 1


def _client(address: str, port: int) -> redis.Redis:
    return redis.Redis(address, port, socket_timeout=2, decode_responses=True)
