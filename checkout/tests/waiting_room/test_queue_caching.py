"""What caches may keep of a queue: its page, which is the same for all callers, and never a ticket."""

import pytest

from checkout.tests.support.queues import join, queued_product
from flashsale.tests.support.tokens import make_token

pytestmark = pytest.mark.django_db

ASKED = {"X-Keep-Until": "1795686116"}


def test_the_page_may_be_cached_for_a_second_for_every_caller(api):
    path = f"/api/v1/products/{queued_product().pk}/queue"

    for headers in ({}, {"Authorization": f"Bearer {make_token()}"}):
        page = api.get(path, headers=ASKED | headers)

        assert page.headers["Cache-Control"] == "public, max-age=1, stale-while-revalidate=2"
        assert page.headers["X-Accel-Expires"] == "@1795686116"


def test_where_only_tokens_may_look_no_shared_cache_keeps_the_page(api, settings):
    settings.API_ACCESS = "token"
    path = f"/api/v1/products/{queued_product().pk}/queue"

    page = api.get(path, headers=ASKED | {"Authorization": f"Bearer {make_token()}"})

    assert (page.status_code, api.get(path, headers=ASKED).status_code) == (200, 401)
    assert page.headers["Cache-Control"] == "private, max-age=1"
    assert "X-Accel-Expires" not in page.headers


def test_no_cache_keeps_a_ticket_or_an_error(api):
    ticket = join(api, queued_product())
    missing = api.get("/api/v1/products/999/queue", headers=ASKED)

    assert ticket.headers["Cache-Control"] == "no-store"
    assert missing.status_code == 404
    assert not {"Cache-Control", "X-Accel-Expires"} & set(missing.headers)
