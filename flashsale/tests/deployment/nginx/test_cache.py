"""The pages that nginx keeps: for whom, for how long, and while the application is down."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from uuid import uuid4

import httpx
import pytest

from flashsale.core.rest.caching import STALE_SECONDS
from flashsale.tests.support.behind_nginx import ORIGIN
from flashsale.tests.support.deployed import refusal_of
from flashsale.tests.support.processes import stop, wait_until

pytestmark = pytest.mark.django_db

# Until the end of the second; the application's own page may be a second old when a cache write was lost.
KEPT_SECONDS = 2
TRIES = 100


def within_a_second(
    client: httpx.Client, path: str, ask: Callable[[str], list[httpx.Response]]
) -> list[httpx.Response]:
    """Return the answers to `ask` for a page that nginx does not have, all of one second, at whose end pages expire."""
    for _ in range(TRIES):
        # nginx's own clock, by which it keeps pages.
        second = client.get("/livez").headers["Date"]
        answers = ask(f"{path}{'&' if '?' in path else '?'}new={uuid4()}")
        if {answer.headers["Date"] for answer in answers} == {second}:
            return answers
    pytest.fail("no answers within one second")


def cache_statuses(answers: list[httpx.Response]) -> list[str]:
    return [answer.headers["X-Cache-Status"] for answer in answers]


def test_a_product_is_cached(shop, client):
    first, again = within_a_second(client, shop.cached, lambda path: [client.get(path) for _ in range(2)])

    assert cache_statuses([first, again]) == ["MISS", "HIT"]
    assert again.json() == first.json()
    assert again.headers["ETag"] == first.headers["ETag"]
    assert (
        client.get(shop.cached, headers={"If-None-Match": client.get(shop.cached).headers["ETag"]}).status_code == 304
    )


def test_a_change_is_seen_soon(shop, client):
    product_id = int(shop.cached.rpartition("/")[2])
    available = client.get(shop.cached).json()["available_stock"]
    client.post("/api/v1/holds", json={"product_id": product_id, "quantity": 3}).raise_for_status()
    held_at = time.monotonic()

    def is_seen() -> bool:
        asked_at = time.monotonic()
        answer = client.get(shop.cached)
        # While one request refreshes the page, the others get the cached one.
        assert asked_at - held_at < KEPT_SECONDS or answer.headers["X-Cache-Status"] == "UPDATING" or is_new(answer)
        return is_new(answer)

    def is_new(answer: httpx.Response) -> bool:
        return answer.json()["available_stock"] == available - 3

    wait_until(is_seen, what="the hold is seen")


def test_a_page_is_kept_until_the_end_of_the_second_in_which_it_was_fetched(shop, client):
    fetched_in, seconds = "", set()

    def is_fetched_again() -> bool:
        """Ask once; `Date` is nginx's own clock, by which it keeps pages."""
        nonlocal fetched_in
        answer = client.get(f"{shop.cached}?second")
        assert answer.headers["Cache-Control"] == "public, max-age=1"
        assert "X-Accel-Expires" not in answer.headers
        if answer.headers["X-Cache-Status"] == "HIT":
            assert answer.headers["Date"] == fetched_in
        else:
            fetched_in = answer.headers["Date"]
            seconds.add(fetched_in)
        return len(seconds) == 3

    wait_until(is_fetched_again, what="the page is fetched in three seconds")


def test_after_a_quiet_time_no_client_gets_an_old_page(shop, client):
    path = f"{shop.cached}?quiet"
    old = client.get(path)
    product_id = int(shop.cached.rpartition("/")[2])
    client.post("/api/v1/holds", json={"product_id": product_id, "quantity": 1}).raise_for_status()

    def is_quiet() -> bool:
        """Say whether nginx's clock shows more seconds than a page may be served after its end."""
        now = client.get("/livez").headers["Date"]
        return seconds_between(old.headers["Date"], now) > STALE_SECONDS + 1

    wait_until(is_quiet, what="the page is old")
    with ThreadPoolExecutor(20) as pool:
        crowd = list(pool.map(lambda _: client.get(path), range(100)))

    assert old.headers["Cache-Control"] == crowd[0].headers["Cache-Control"] == "public, max-age=1"
    available = old.json()["available_stock"]
    assert {answer.json()["available_stock"] for answer in crowd} == {available - 1}


def seconds_between(earlier: str, later: str) -> float:
    return (parsedate_to_datetime(later) - parsedate_to_datetime(earlier)).total_seconds()


def test_each_page_of_the_list_is_cached(shop, client):
    def ask(path: str) -> list[httpx.Response]:
        paths = (path, path, f"{path}&cursor=", path.replace("/v1", ""))
        return [client.get(path) for path in paths]

    answers = within_a_second(client, "/api/v1/products", ask)

    assert cache_statuses(answers) == ["MISS", "HIT", "MISS", "MISS"]


def test_a_cached_page_holds_nothing_of_the_first_client(shop, client):
    first, again = within_a_second(client, shop.cached, lambda path: [client.get(path) for _ in range(2)])

    assert first.headers["RateLimit"].startswith('"reads";r=')
    assert not {"RateLimit", "RateLimit-Policy"} & set(again.headers)
    assert first.headers["X-Request-ID"] != again.headers["X-Request-ID"]


def test_an_allowed_origin_may_read_a_page_cached_for_another_client(shop, client):
    def ask(path: str) -> list[httpx.Response]:
        return [client.get(path, headers=headers) for headers in ({}, {"Origin": ORIGIN}, {"Origin": ORIGIN})]

    first, of_origin, again = within_a_second(client, shop.cached, ask)

    assert "Access-Control-Allow-Origin" not in first.headers
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in (of_origin, again)} == {ORIGIN}
    assert cache_statuses([of_origin, again]) == ["MISS", "HIT"]


def test_a_request_with_a_token_bypasses_the_cache(shop, client):
    with_token = {"Authorization": f"Bearer {shop.token}"}
    path = f"{shop.cached}?token"

    answers = [client.get(path, headers=with_token) for _ in range(2)]
    refused = client.get(path, headers={"Authorization": "Bearer wrong"})
    anonymous = client.get(path)

    assert [answer.headers["X-Cache-Status"] for answer in answers] == ["BYPASS", "BYPASS"]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"private, max-age=1"}
    assert refused.status_code == 401
    assert anonymous.headers["X-Cache-Status"] == "MISS"


@pytest.mark.parametrize("credentials", ["x", "Basic eA==", "bearerx", "Token Bearer x"])
def test_a_request_without_a_token_gets_the_cached_page(shop, client, credentials):
    answers = within_a_second(
        client, shop.cached, lambda path: [client.get(path, headers={"Authorization": credentials}) for _ in range(2)]
    )

    assert cache_statuses(answers) == ["MISS", "HIT"]


def test_reloads_reach_the_application_once_a_second(shop):
    path = f"{shop.cached}?crowd"
    with shop.proxy.client() as client, ThreadPoolExecutor(20) as pool:
        started = time.monotonic()
        first = client.get(path).headers["X-Cache-Status"]
        statuses = [answer.headers["X-Cache-Status"] for answer in pool.map(lambda _: client.get(path), range(100))]
        seconds = time.monotonic() - started

    assert first == "MISS"
    assert set(statuses) <= {"HIT", "EXPIRED", "UPDATING"}
    assert statuses.count("EXPIRED") <= seconds + 1


def test_another_host_is_refused_and_not_cached(shop, client):
    path = f"{shop.cached}?host"
    client.get(path)

    assert refusal_of(client.get(path, headers={"Host": "other.test"})) == (400, "invalid")
    assert client.get(path, headers={"Host": "shop.test"}).headers["X-Cache-Status"] == "MISS"


def test_while_the_application_is_down_the_cached_page_is_served_and_holds_get_busy(shop, client):
    before = client.get(shop.cached)

    stop(shop.web)
    wait_until(lambda: client.get(shop.cached).headers["X-Cache-Status"] == "STALE", what="it is stale")
    page = client.get(shop.cached)
    refused = client.post("/api/v1/holds", json={"product_id": shop.bought, "quantity": 1})
    order = client.get("/api/v1/orders/00000000-0000-4000-8000-000000000000")

    assert page.json() == before.json()
    assert refusal_of(refused) == refusal_of(order) == (503, "busy")
    assert refused.headers["Retry-After"] == "1"
