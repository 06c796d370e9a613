"""An HTTP client that needs little processor time itself."""

import asyncio
import json


class Client:
    """One HTTP/1.1 connection, with only as much of the protocol as is needed here."""

    def __init__(self, port: int) -> None:
        self._port = port
        # The headers of the last answer; names and values in lower case.
        self.headers: dict[str, str] = {}

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict]:
        lines = [f"POST {path} HTTP/1.1", f"Host: localhost:{self._port}"]
        headers = {"Content-Type": "application/json"} | headers
        lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        answer = await self._reader.readexactly(int(self.headers["content-length"]))
        return int(head.split(" ", 2)[1]), json.loads(answer)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
