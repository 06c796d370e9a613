"""HAProxy gives the shop one address of its database, and shoppers one address of the shop; PgBouncer pools."""

import shutil

from flashsale.tests.chaos.history import SERVED_BY
from flashsale.tests.hosts.network import ACCOUNT, Host
from flashsale.tests.hosts.postgresql import DATABASE, OWNER, PORT, REST_PORT, Member
from flashsale.tests.hosts.tools import tool

POOLER_PORT = 6432


HAPROXY = """
global
    maxconn 2000
defaults
    timeout connect 2s
    timeout check 2s
# The primary, and nothing when there is none. Patroni answers 200 to GET /primary only while it holds the lease.
listen postgresql
    mode tcp
    bind :{port}
    option httpchk GET /primary
    http-check expect status 200
    # Sessions last as long as the shop keeps its connections.
    timeout client 1h
    timeout server 1h
    # A primary is left after a second, a new one is found within half a second. Without `shutdown-sessions` the shop
    # would go on talking to the old one.
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{members}
# The web hosts that are alive. One without a database stays: it answers `busy` itself.
listen web
    mode http
    bind :80
    balance leastconn
    option httpchk GET /livez
    option forwardfor
    # Another host is tried when one takes no connection; a request that may have arrived is not repeated.
    option redispatch 1
    retries 2
    retry-on conn-failure
    timeout client 60s
    timeout server 60s
    http-response set-header {served_by} %s
    default-server inter 500ms fall 2 rise 1
{web}
"""
PGBOUNCER = """
[databases]
{database} = host={balancer} port={port} user={owner}
[pgbouncer]
listen_addr = *
listen_port = {pooler_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
# Time-outs of the role take the place of the options that a connection asks for.
ignore_startup_parameters = options
# A server that refuses is tried again after a second; the default is 15.
server_login_retry = 1
server_connect_timeout = 2
# A client waits no longer for a server than the shop for a connection of its pool. The default is 120 s.
query_wait_timeout = 2
tcp_keepalive = 1
tcp_keepidle = 5
tcp_keepintvl = 2
tcp_keepcnt = 3
"""


def start_balancer(host: Host, members: list[Member], web: list[Host]) -> None:
    """Start HAProxy before PostgreSQL and before the web hosts."""
    settings = host.folder / "haproxy.cfg"
    to_members = [
        f"    server {one.host.name} {one.host.address}:{PORT} maxconn 100 check port {REST_PORT}" for one in members
    ]
    to_web = [f"    server {one.name} {one.address}:8000 check" for one in web]
    settings.write_text(
        HAPROXY.format(port=PORT, members="\n".join(to_members), web="\n".join(to_web), served_by=SERVED_BY)
    )
    host.start(tool("haproxy"), "-db", "-q", "-f", str(settings))


def start_pooler(host: Host, balancer: Host) -> None:
    """Start PgBouncer before the balancer's address of PostgreSQL."""
    settings = host.folder / "pgbouncer.ini"
    settings.write_text(
        PGBOUNCER.format(database=DATABASE, owner=OWNER, balancer=balancer.address, port=PORT, pooler_port=POOLER_PORT)
    )
    shutil.chown(settings, ACCOUNT)
    host.start(tool("pgbouncer"), "-q", str(settings), as_nobody=True)


def database_url(*hosts: str, port: int = PORT, database: str = DATABASE) -> str:
    """Return the address of a database on one host, or on whichever of several takes writes."""
    several = "?target_session_attrs=read-write" if len(hosts) > 1 else ""
    at = ",".join(f"{host}:{port}" for host in hosts)
    return f"postgresql://{OWNER}@{at}/{database}{several}"
