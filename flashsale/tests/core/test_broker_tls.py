"""The broker's certificate is verified."""

import ssl

import pytest
from kombu import Connection

from flashsale.core.configuration import redis_urls
from flashsale.core.configuration.broker_tls import verifying

URL = "rediss://:p%40ss@cache.example.com:6380/1"


@pytest.mark.parametrize("url", [URL, f"{URL}?connect_timeout=5"])
def test_the_certificate_is_verified(monkeypatch, url):
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    broker = Connection(redis_urls.broker_url("CELERY_BROKER_URL", default=""))

    assert broker.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert (broker.hostname, broker.port, broker.password) == ("cache.example.com", 6380, "p@ss")


def test_control_kombu_itself_verifies_nothing():
    assert Connection(URL).ssl == {"ssl_cert_reqs": ssl.CERT_NONE}


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}?ssl_ca_certs=/run/secrets/redis_ca",
        f"{URL}?ssl_cert_reqs=none",
        "redis://valkey:6379/1",
        "sentinel://a:26379;sentinel://b:26379",
        "redis+socket:///run/valkey.sock?virtual_host=1",
        "memory://",
    ],
)
def test_other_addresses_are_unchanged(url):
    assert verifying(url) == url
