"""TLS to Celery's broker: kombu accepts any certificate for `rediss://` unless an option of the URL asks for more."""

from urllib.parse import urlsplit

VERIFYING = "ssl_cert_reqs=required"


def verifying(urls: str) -> str:
    """Return the address, or several separated by semicolons, with certificates verified for each `rediss://`.

    A URL with an option of its own (`ssl_ca_certs`, `ssl_cert_reqs`, ...) is unchanged: redis-py verifies by default.
    """
    return ";".join(_verifying(url) for url in urls.split(";"))


def _verifying(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme != "rediss" or "ssl_" in parts.query:
        return url
    query = f"{parts.query}&{VERIFYING}" if parts.query else VERIFYING
    return parts._replace(query=query).geturl()
