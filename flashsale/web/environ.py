"""The request of the server's protocol (RSGI) as Django's WSGI request reads it."""

import functools
import sys
from collections.abc import Mapping
from typing import Any

# Clients choose the names of headers, so that the cache of their forms is bounded.
MAX_NAMES = 1_000


def headers_of(scope: Any) -> dict[str, str]:
    """Return a request's headers by their names in lower case; those with one name are joined.

    Names with an underscore are left out: in the environment they could not be told from those with a hyphen. A value
    outside ASCII, which the server does not give, is empty: the header is there, and no value is assumed.

    Source of the separators: RFC 9110, section 5.3; RFC 9113, section 8.2.3.
    """
    headers: dict[str, str] = {}
    for name, value in scope.headers.items():
        if name in headers:
            headers[name] += f"{'; ' if name == 'cookie' else ', '}{value}"
        else:
            headers[name] = value
    names = scope.headers.keys()
    if len(headers) < len(names):
        headers |= {name: "" for name in names if name not in headers}
    return headers


def environ_of(scope: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the environment of a request without its body (PEP 3333)."""
    server_name, _, server_port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        # PEP 3333, "Unicode Issues": the path's bytes as Latin-1.
        "PATH_INFO": scope.path if scope.path.isascii() else scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
    }
    for name, value in headers.items():
        if key := _key_of(name):
            environ[key] = value
    return environ


@functools.lru_cache(MAX_NAMES)
def _key_of(name: str) -> str:
    """Return the name of a header in the environment; empty for one that is left out."""
    if "_" in name or name == "content-length":
        return ""
    key = name.upper().replace("-", "_")
    return key if name == "content-type" else f"HTTP_{key}"
