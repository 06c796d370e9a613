"""Every kind of request, refused ones too, over several connections at once; counts the answers by status."""

import asyncio
import json
import random
from collections import Counter

Request = tuple[str, str, bytes, tuple[str, ...]]
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
LARGE = b'{"x": "' + b"a" * 100_000 + b'"}'
SECONDS = 60


def kinds(product_id: int) -> list[Request]:
    """Return one request of each kind."""
    hold = json.dumps({"product_id": product_id, "quantity": 1}).encode()
    get = [
        f"/api/v1/products/{product_id}", "/api/v1/products", "/api/v1/products/999999", "/api/v1/products?cursor=x",
        "/api/v1/nothing", "/nothing", "/", "/problems/", "/problems/busy", "/api/v1/docs", "/api/v1/docs?script=",
        "/api/v1/schema", f"/api/v1/orders/{UNKNOWN_ID}", f"/api/v1/holds/{UNKNOWN_ID}", "/admin/", "/admin/login/",
        "/livez", "/readyz",
    ]  # fmt: skip
    post = [
        ("/api/v1/holds", hold), ("/api/v1/holds", hold), ("/api/v1/holds", hold), ("/api/v1/holds", b"{"),
        ("/api/v1/holds", LARGE), ("/api/v1/holds", b"[]"), ("/api/v1/orders", b"{}"),
        ("/api/v1/orders", json.dumps({"hold_id": UNKNOWN_ID}).encode()), ("/api/v1/payments/webhook", b"{}"),
        ("/api/v1/payments/webhook", LARGE), ("/api/v1/payments/webhooks/unknown", LARGE), ("/admin/login/", b"x=y"),
        (f"/api/v1/orders/{UNKNOWN_ID}/cancel", b""), ("/api/v1/products", b"{}"),
    ]  # fmt: skip
    unusual_headers = ("Authorization: Bearer x", f"Authorization: Bearer abcdefgh.{'x' * 32}", "Accept: text/html")
    requests: list[Request] = [("GET", path, b"", ()) for path in get]
    requests += [("POST", path, body, ()) for path, body in post]
    requests += [("GET", get[0], b"", (header,)) for header in unusual_headers]
    return [*requests, ("DELETE", f"/api/v1/holds/{UNKNOWN_ID}", b"", ()), ("PUT", "/api/v1/holds", LARGE, ())]


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> int:
    method, path, body, headers = request
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    if fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(fields.get("content-length", 0)))
    return int(head.split(" ", 2)[1])


async def _client(port: int, requests: list[Request], count: int, statuses: Counter[int | str]) -> None:
    """Send random requests; one whose connection breaks is counted, and the next one opens a new connection."""
    writer = None
    for _ in range(count):
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            statuses[await asyncio.wait_for(_ask(reader, writer, random.choice(requests)), SECONDS)] += 1
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            statuses["cut off"] += 1
            if writer is not None:
                writer.close()
            writer = None
    if writer is not None:
        writer.close()


async def _run(port: int, requests: int, clients: int, product_id: int) -> Counter[int | str]:
    statuses: Counter[int | str] = Counter()
    samples = kinds(product_id)
    await asyncio.gather(*(_client(port, samples, requests // clients, statuses) for _ in range(clients)))
    return statuses


def run(port: int, *, requests: int, clients: int, product_id: int) -> Counter[int | str]:
    """Send `requests` over `clients` connections."""
    return asyncio.run(_run(port, requests, clients, product_id))
