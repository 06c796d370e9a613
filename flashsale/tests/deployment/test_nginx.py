"""deploy/nginx.conf in front of a real web server, as docker-compose.yml starts it."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from uuid import uuid4

import httpx
import pytest

from flashsale.core import webhook_signatures
from flashsale.core.rest.caching import STALE_SECONDS
from flashsale.tests.support.deployed import Deployment, Proxy, deployment, nginx, refusal_of, stopping
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, stop, wait_until

pytestmark = pytest.mark.django_db

MAKE = """
import json
from catalog import products
from flashsale.tests.support.tokens import make_token
ids = [products.add(name=name, price="29.99", currency="USD", stock=10).pk for name in ("cached", "bought")]
print(json.dumps([f"/api/v1/products/{ids[0]}", ids[1], make_token()]))
"""
ORIGIN = "https://shop.example.com"
BURST = 200
# Until the end of the second; the application's own page may be a second old when a cache write was lost.
KEPT_SECONDS = 2
WEBHOOK_BURST = 1000
TRIES = 100


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    """The web server behind nginx, two products and an API token. All requests come from few addresses: no quotas."""
    quotas = {"HOLDS_PER_MINUTE": "0", "CHANGES_PER_MINUTE": "0", "READS_PER_MINUTE": "100000"}
    quotas |= {"WRONG_TOKENS_PER_MINUTE": "0", "REFUSED_DELIVERIES_PER_MINUTE": "0"}
    variables = {"SECURE_SSL_REDIRECT": "0", "CORS_ALLOWED_ORIGINS": ORIGIN}
    with django_db_blocker.unblock(), deployment(**quotas, **variables) as deployed:
        port = free_port()
        web = deployed.start("web", "-m", "flashsale.server", WEB_HOST="127.0.0.1", PORT=str(port))
        changes = {
            "client_header_timeout 10s;": "client_header_timeout 1s;",
            "# set_real_ip_from 10.0.0.0/8;": "set_real_ip_from 127.0.0.9;",
            "# real_ip_header": "real_ip_header",
            "# real_ip_recursive": "real_ip_recursive",
            "# 203.0.113.0/24 1;": "127.0.0.5 1;",
            # A busy machine sends less than 200 requests a second: the burst alone decides.
            "zone=webhooks:10m rate=200r/s;": "zone=webhooks:10m rate=20r/s;",
        }
        with stopping(web), nginx(deployed.folder, web=port, pay=port, changes=changes) as proxy:
            made = deployed.manage("shell", "-v", "0", "-c", MAKE)
            assert made.returncode == 0, made.stderr
            wait_until(lambda: httpx.get(f"{proxy.url}/readyz").status_code == 200, what="the shop is open")
            yield ShopBehindNginx(deployed, proxy, web, f"http://127.0.0.1:{port}", *json.loads(made.stdout))


@dataclass(frozen=True)
class ShopBehindNginx:
    """A deployment, and the parts of it that the tests use."""

    deployed: Deployment
    proxy: Proxy
    web: subprocess.Popen
    web_url: str
    cached: str
    bought: int
    token: str


@pytest.fixture
def client(shop):
    with shop.proxy.client() as client:
        yield client


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


def test_a_buyer_places_and_pays_an_order_through_nginx(shop, client):
    hold = client.post("/api/v1/holds", json={"product_id": shop.bought, "quantity": 2}).json()
    order = client.post("/api/v1/orders", json={"hold_id": hold["hold_id"]}).json()
    event = {"idempotency_key": "evt_1", "status": "success", "payment_id": "pay_1", "amount": "59.98"}
    body = json.dumps(event | {"order_id": order["order_id"], "currency": "USD"}).encode()
    headers = {"Content-Type": "application/json"}
    key = webhook_signatures.key_of(shop.deployed.secret("standard_webhook_secrets"))
    signature = webhook_signatures.signed_headers(key, message_id="evt_1", body=body)

    unsigned = client.post("/api/v1/payments/webhook", content=body, headers=headers)
    paid = client.post("/api/v1/payments/webhook", content=body, headers=headers | signature)

    assert unsigned.status_code == 401
    assert (paid.status_code, paid.json()["order_status"]) == (200, "paid")
    answer = client.get(f"/api/v1/orders/{order['order_id']}")
    assert (answer.json()["status"], answer.headers["Cache-Control"]) == ("paid", "no-store")
    assert "X-Cache-Status" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "//metrics", "/%6Detrics", "/api/../metrics", "/./metrics?a=b"]
)
def test_metrics_are_reachable_inside_with_the_token_and_not_through_nginx(shop, path):
    right = {"Authorization": f"Bearer {shop.deployed.secret('metrics_token')}"}

    answer = shop.proxy.ask_raw(path, **right)

    assert answer.status == 404
    assert shop.proxy.logged(answer)["upstream_seconds"] == ""
    assert httpx.get(f"{shop.web_url}/metrics", headers=right | {"Host": "10.0.0.9:8000"}).status_code == 200
    assert httpx.get(f"{shop.web_url}/metrics").status_code == 401


@pytest.mark.parametrize("size", [300 * 1024, 2 * 1024 * 1024], ids=["the application's limit", "nginx's limit"])
def test_a_body_that_is_too_large_is_refused(client, size):
    headers = {"Content-Type": "application/json"}

    assert refusal_of(client.post("/api/v1/holds", content=b" " * size, headers=headers)) == (413, "payload_too_large")


def test_a_header_or_a_path_that_is_too_long_is_refused(client):
    assert refusal_of(client.get("/api/v1/products", headers={"X-Long": "x" * 10_000})) == (400, "invalid")
    assert refusal_of(client.get(f"/api/v1/products?{'x' * 10_000}")) == (400, "invalid")


def test_another_host_is_refused_and_not_cached(shop, client):
    path = f"{shop.cached}?host"
    client.get(path)

    assert refusal_of(client.get(path, headers={"Host": "other.test"})) == (400, "invalid")
    assert client.get(path, headers={"Host": "shop.test"}).headers["X-Cache-Status"] == "MISS"


def test_a_slow_header_times_out_while_other_clients_are_served(shop, client):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", shop.proxy.port)) as slow:
        slow.settimeout(0.2)  # the pace of the trickle
        slow.sendall(b"GET /api/v1/products HTTP/1.1\r\nX: ")
        while True:
            assert time.monotonic() - started < WAIT_SECONDS, "nobody cut it off"
            assert client.get("/livez").status_code == 200
            try:
                slow.sendall(b"x")
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break

    assert time.monotonic() - started > 0.9


def until_one_is_refused(pool: ThreadPoolExecutor, ask: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Send bursts above the limit until an answer is not 200; a slow machine needs several."""
    answers: list[httpx.Response] = []
    while len(answers) < 20 * BURST and not any(answer.status_code != 200 for answer in answers):
        answers += pool.map(lambda _: ask(), range(2 * BURST))
    return answers


def test_a_flood_from_one_address_is_refused_and_others_are_served(shop):
    with shop.proxy.client("127.0.0.2") as flood, ThreadPoolExecutor(8) as pool:
        answers = until_one_is_refused(pool, lambda: flood.get("/livez"))
    with shop.proxy.client("127.0.0.3") as other:
        other_answer = other.get("/api/v1/products")

    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) <= len(answers) - BURST
    assert {refusal_of(answer) for answer in refused} == {(429, "throttled")}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert other_answer.status_code == 200


def test_a_sample_of_the_refused_requests_is_logged(shop):
    with shop.proxy.client("127.0.1.7") as flood, ThreadPoolExecutor(8) as pool:
        answers = until_one_is_refused(pool, lambda: flood.get("/livez"))
    served = sum(answer.status_code == 200 for answer in answers)

    def logged() -> list[int]:
        lines = [json.loads(line) for line in shop.proxy.log.read_text().splitlines()]
        return [line["status"] for line in lines if line["client"] == "127.0.1.7"]

    wait_until(lambda: logged().count(200) == served, what="all served requests are logged")
    assert logged().count(429) < 0.5 * (len(answers) - served)


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("127.0.1.1", {"Authorization": "x"}),
        ("127.0.1.2", {"Authorization": "Bearer x"}),
        ("127.0.1.3", {"Authorization": f"Bearer {'x' * 8}.{'y' * 32}"}),
        ("127.0.1.4", {"X-Forwarded-For": "127.0.0.5", "Forwarded": "for=127.0.0.5", "X-Real-IP": "127.0.0.5"}),
        ("127.0.1.5", {"Webhook-Signature": "v1,x", "Stripe-Signature": "t=1,v1=x"}),
    ],
)
def test_no_header_lifts_the_limit(shop, address, headers):
    with shop.proxy.client(address, **headers) as flood, ThreadPoolExecutor(8) as pool:
        statuses = {answer.status_code for answer in until_one_is_refused(pool, lambda: flood.get("/livez"))}

    assert 429 in statuses


def test_an_address_that_is_listed_has_a_higher_limit(shop):
    with shop.proxy.client("127.0.0.5") as partner, ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda _: partner.get("/livez").status_code, range(2 * BURST)))

    assert statuses == {200}


def test_webhooks_are_limited_by_address_as_well(shop):
    with shop.proxy.client("127.0.1.6") as flood, ThreadPoolExecutor(8) as pool:

        def post(_: int) -> httpx.Response:
            return flood.post("/api/v1/payments/webhook", json={})

        answers = list(pool.map(post, range(3 * WEBHOOK_BURST)))
        elsewhere = flood.get("/livez")

    refused = [answer for answer in answers if answer.status_code != 401]
    assert 0 < len(refused) <= 2 * WEBHOOK_BURST
    assert {refusal_of(answer) for answer in refused} == {(429, "throttled")}
    assert elsewhere.status_code == 200


@pytest.mark.parametrize("credentials", ["x", "Basic eA==", "bearerx", "Token Bearer x"])
def test_a_request_without_a_token_gets_the_cached_page(shop, client, credentials):
    answers = within_a_second(
        client, shop.cached, lambda path: [client.get(path, headers={"Authorization": credentials}) for _ in range(2)]
    )

    assert cache_statuses(answers) == ["MISS", "HIT"]


def test_behind_a_load_balancer_each_ipv6_network_has_a_limit_of_its_own(shop):
    with shop.proxy.client("127.0.0.9") as balancer, shop.proxy.client("127.0.0.4") as liar:

        def ask(client: httpx.Client, address: str) -> httpx.Response:
            return client.get("/livez", headers={"X-Forwarded-For": address})

        with ThreadPoolExecutor(8) as pool:
            same = list(pool.map(lambda host: ask(balancer, f"2001:db8:0:1:{host:x}::1"), range(2 * BURST)))
        neighbour, lied = ask(balancer, "2001:db8:0:2::1"), ask(liar, "2001:db8:0:1::1")

    assert {answer.status_code for answer in same} == {200, 429}
    assert [neighbour.status_code, lied.status_code] == [200, 200]
    assert shop.proxy.logged(neighbour)["client"] == "2001:db8:0:2::1"
    assert shop.proxy.logged(lied)["client"] == "127.0.0.4"


def test_behind_a_load_balancer_each_ipv4_client_has_a_limit_of_its_own_also_as_a_mapped_address(shop):
    with shop.proxy.client("127.0.0.9") as balancer:

        def ask(address: str) -> httpx.Response:
            return balancer.get("/livez", headers={"X-Forwarded-For": address})

        with ThreadPoolExecutor(8) as pool:
            same = list(pool.map(ask, ["::ffff:203.0.113.7", "203.0.113.7"] * BURST))
        other = ask("::ffff:203.0.113.8")

    assert {answer.status_code for answer in same} == {200, 429}
    assert other.status_code == 200


def test_the_access_log_is_json_without_queries_tokens_and_ids(shop, client):
    a_hold, another = str(uuid4()), uuid4().hex
    headers = {"Authorization": f"Bearer {shop.token}", "Referer": f"https://shop.example.com/hidden/{a_hold}"}

    answer = client.get(f"/api/v1/holds/{a_hold}/{another}?cursor=hidden", headers=headers)
    quoted = client.get('/api/v1/holds/nothing"', headers=headers)

    line = shop.proxy.logged(answer)
    assert (line["path"], line["status"], line["client"]) == ("/api/v1/holds/{id}/{id}", 404, "127.0.0.1")
    assert shop.proxy.logged(quoted)["path"] == '/api/v1/holds/nothing"'
    assert float(line["upstream_seconds"]) >= 0
    assert line["upstream_status"] == "404"
    text = shop.proxy.log.read_text()
    for hidden in ("hidden", shop.token, a_hold, another):
        assert hidden not in text


def test_a_simulated_sale_through_nginx_keeps_every_promise(shop):
    options = ("--shoppers", "60", "--stock", "120", "--url", shop.proxy.url)
    unasked = shop.deployed.manage("simulate_sale", *options)
    sale = shop.deployed.manage("simulate_sale", *options, "--yes-really")

    assert (unasked.returncode, unasked.stdout) == (1, "")
    assert "Nothing was done" in unasked.stderr
    assert sale.returncode == 0, sale.stdout + sale.stderr
    assert "Every promise held" in sale.stdout


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


def test_the_error_log_has_no_ids_and_queries(shop, client):
    an_order = str(uuid4())
    client.get(f"/api/v1/orders/{an_order}?hidden")
    client.post(f"/api/v1/orders/{an_order}/cancel", content=b" " * 2 * 1024 * 1024)

    assert an_order not in (shop.deployed.folder / "nginx.log").read_text()
