"""The Host header of requests, checked as Django does; the verdict on each spelling is remembered."""

import functools

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

MAX_HOSTS = 256


def host_of(request: HttpRequest) -> str:
    """Return the host that the request names. Raises `DisallowedHost` unless it is one of `ALLOWED_HOSTS`."""
    host: str = request.META.get("HTTP_HOST", "")
    # Without a Host header, and for hosts that are not allowed, Django has the last word.
    return host if _is_allowed(host, tuple(settings.ALLOWED_HOSTS)) else request.get_host()


@functools.lru_cache(maxsize=MAX_HOSTS)
def _is_allowed(host: str, allowed_hosts: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed_hosts)
