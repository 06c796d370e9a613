"""What one hot product can sell at most: PostgreSQL alone, without Python, with and without a synchronous standby.

`python -m benchmarks.hot_row`: each transaction takes the product's row, inserts a batch of holds, and commits, as one
message. With a standby on the same machine a COMMIT waits until that has written it to its disk, too; a network adds
its round trip. Prints a table.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks.shop import ShopUnderTest, open_shop
from flashsale.local import servers
from flashsale.local.supervisor import find_postgres

STOCK = 2_000_000_000
BATCHES = (1, 8, 64)
# Leaders that wait for the row: two processes of three web hosts.
CLIENTS = 6
STANDBY_PORT = 5433
STANDBY = "standby"
BATCH = (
    "BEGIN \\;"
    " UPDATE catalog_stock SET reserved = reserved + {n}, version = version + 1 WHERE product_id = :product \\;"
    " INSERT INTO checkout_hold"
    " (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at)"
    " SELECT gen_random_uuid(), :product, 1, 10, 'USD', '', 'active', now(), now() + interval '2 minutes'"
    " FROM generate_series(1, {n}) \\; COMMIT;\n"
)


class Cluster:
    """The shop's PostgreSQL, and perhaps a standby of it on this machine."""

    def __init__(self, shop: ShopUnderTest, folder: Path) -> None:
        self._database = servers.database_settings(shop.state_dir)
        self._folder = folder
        # PostgreSQL does not run as root.
        owner = (shop.state_dir / "postgres").stat()
        self._account = {"user": owner.st_uid, "group": owner.st_gid}
        folder.chmod(0o755)

    @contextlib.contextmanager
    def synchronous_standby(self) -> Iterator[None]:
        """Let each COMMIT wait for a standby until the block ends."""
        data = self._folder / STANDBY
        self._run("pg_basebackup", "-D", data, "-R", "-c", "fast", "-X", "stream", *self._address())
        argv = [find_postgres("postgres"), "-D", data, "-k", self._database["HOST"], "-p", str(STANDBY_PORT)]
        log = (self._folder / "standby.log").open("wb")
        standby = subprocess.Popen(
            [*argv, "-c", "listen_addresses=", "-c", "max_connections=200", "-c", f"cluster_name={STANDBY}"],
            stdout=log, stderr=log, **self._account,
        )  # fmt: skip
        try:
            self._alter(f"synchronous_standby_names = '{STANDBY}'")
            self._wait_until_it_is_synchronous(standby)
            yield
        finally:
            self._alter("synchronous_standby_names = ''")
            standby.terminate()
            standby.wait()
            log.close()

    def transactions(self, product_id: int, *, batch: int, seconds: float) -> float:
        """Return how many transactions a second, of `batch` holds each, one product's row takes."""
        script = self._folder / f"{batch}.sql"
        script.write_text(BATCH.format(n=batch))
        argv = [find_postgres("pgbench"), "-n", "-c", str(CLIENTS), "-j", "2", "-T", f"{seconds:g}", "-f", script]
        argv += ["-D", f"product={product_id}", *self._address(), self._database["NAME"]]
        printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return float(next(line for line in printed.splitlines() if line.startswith("tps = ")).split()[2])

    def _address(self) -> list[str]:
        return ["-h", self._database["HOST"], "-p", self._database["PORT"], "-U", self._database["USER"]]

    def _run(self, program: str, *argv: object) -> None:
        data = self._folder / STANDBY
        data.mkdir(mode=0o700)
        os.chown(data, self._account["user"], self._account["group"])
        subprocess.run([find_postgres(program), *map(str, argv)], check=True, **self._account)

    def _connect(self) -> psycopg.Connection:
        host, port, user, name = (self._database[key] for key in ("HOST", "PORT", "USER", "NAME"))
        return psycopg.connect(host=host, port=port, user=user, dbname=name, autocommit=True)

    def _alter(self, setting: str) -> None:
        with self._connect() as connection:
            connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")

    def _wait_until_it_is_synchronous(self, standby: subprocess.Popen) -> None:
        with self._connect() as connection:
            while not connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone():
                if standby.poll() is not None:
                    sys.exit(f"The standby ended:\n{(self._folder / 'standby.log').read_text()}")
                connection.execute("SELECT pg_sleep(0.1)")


def main() -> None:
    """Print how many holds a second one product's row takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    seconds = parser.parse_args().seconds
    with open_shop() as shop, tempfile.TemporaryDirectory(prefix="flashsale-bench-") as folder:
        cluster, product_id = Cluster(shop, Path(folder)), shop.add_product(stock=STOCK)
        alone = [cluster.transactions(product_id, batch=batch, seconds=seconds) for batch in BATCHES]
        with cluster.synchronous_standby():
            together = [cluster.transactions(product_id, batch=batch, seconds=seconds) for batch in BATCHES]
    print("| holds in a transaction | transactions a second | holds a second | with a standby | holds a second |")
    print("|---|---|---|---|---|")
    for batch, one, two in zip(BATCHES, alone, together, strict=True):
        print(f"| {batch} | {one:,.0f} | {one * batch:,.0f} | {two:,.0f} | {two * batch:,.0f} |")


if __name__ == "__main__":
    main()
