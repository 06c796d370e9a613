"""nginx as deployed (deploy/nginx.conf) in front of a shop, and beside it, in the same nginx, a static file."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checkouts import PROJECT
from benchmarks.shop import START_SECONDS, ShopUnderTest, free_port, wait_until_it_answers
from flashsale.local import child_process

FILE = "page.json"
STATIC_SERVER = """
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        default_type application/json;
    }}
"""


@dataclass(frozen=True)
class Edge:
    """The addresses of a running nginx, the shop's and that of the static file; and its first process."""

    url: str
    static_url: str
    pid: int


def find() -> str:
    """Return the path of nginx, or end the program with a message that says how to install it."""
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        sys.exit("These rows need nginx: apt install nginx-light (Debian), or name others.")
    return path


@contextlib.contextmanager
def in_front_of(shop: ShopUnderTest, *, file: bytes) -> Iterator[Edge]:
    """Run nginx before the shop's web server, and let it serve a file with these bytes.

    Only addresses differ from deploy/nginx.conf, and the rate that one address may have: all the load comes from one.
    """
    edge_port, static_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as name:
        folder = Path(name)
        own = folder / "own"
        own.mkdir()
        if os.geteuid() == 0:
            # nginx runs without root, as deployed.
            folder.chmod(0o755)
            shutil.chown(own, "nobody", "nogroup")
        (folder / FILE).write_bytes(file)
        changes = {
            "listen 127.0.0.1:8081;": f"listen 127.0.0.1:{free_port()};",
            "rate=50r/s": "rate=1000000r/s",
            " /tmp/": f" {own}/",
        }
        text = (PROJECT / "deploy" / "nginx.conf").read_text()
        for there, here in changes.items():
            text = text.replace(there, here)
        _write_site(folder / "site", log=own / "access.log", edge_port=edge_port, shop_port=shop.port)
        static = STATIC_SERVER.format(port=static_port, folder=folder)
        (folder / "nginx.conf").write_text(f"{text.rstrip().removesuffix('}')}{static}}}\n")
        with _running(folder, edge_port) as pid:
            yield Edge(f"http://127.0.0.1:{edge_port}", f"http://127.0.0.1:{static_port}/{FILE}", pid)


def _write_site(folder: Path, *, log: Path, edge_port: int, shop_port: int) -> None:
    """Write what nginx.conf includes, as in deploy/nginx/vm."""
    folder.mkdir()
    (folder / "http.conf").write_text(f"access_log {log} requests buffer=4k flush=1s if=$is_logged;\n")
    (folder / "listen.conf").write_text(f"listen 127.0.0.1:{edge_port} default_server reuseport;\n")
    for upstream in ("web", "pay", "office"):
        (folder / f"{upstream}.conf").write_text(f"server 127.0.0.1:{shop_port} fail_timeout=1s;\n")


@contextlib.contextmanager
def _running(folder: Path, port: int) -> Iterator[int]:
    argv = [find(), "-e", "stderr", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    account = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    log_file = folder / "nginx.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            argv, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=child_process.child_setup(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
            **account,
        )  # fmt: skip
    try:
        wait_until_it_answers("nginx", process, port, log_file)
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
