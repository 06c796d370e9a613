"""How many connections to PostgreSQL a process of the deployment may have."""

from flashsale import server
from payments.attempts import due


def connections_of(command: list[str], environment: dict[str, str]) -> int:
    """Return the most connections of one replica: without a command of the web server, else of what is started."""
    if "worker" in command:
        # Each process of the pool with its threads, and their parent.
        threads = due.THREADS if command[command.index("-Q") + 1] == "payments" else 0
        return int(command[command.index("-c") + 1]) * (1 + threads) + 1
    if command:
        return 1
    processes = int(environment.get("WEB_WORKERS", server.WORKERS))
    return processes * int(environment.get("DATABASE_POOL_MAX", server.CONNECTIONS))
