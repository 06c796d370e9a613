"""Security headers of every answer."""

import pytest

from flashsale.web.content_security import API, PAGES


@pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/docs", "/problems/busy"])
def test_a_page_may_not_use_other_hosts(client, db, path):
    policy = client.get(path).headers["Content-Security-Policy"]

    assert policy == PAGES
    assert "http" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


@pytest.mark.parametrize("path", ["/api/v1/products", "/api/v1/nothing", "/api/v1/schema", "/livez"])
def test_json_answers_have_the_strictest_policy(client, db, path):
    answer = client.get(path)

    assert answer.headers["Content-Security-Policy"] == API
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
