"""What passes nginx, what does not, and what is logged of it."""

import json
from uuid import uuid4

import httpx
import pytest

from flashsale.core import webhook_signatures
from flashsale.tests.support.processes import stop

pytestmark = pytest.mark.django_db


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


def test_the_error_log_has_no_ids_and_queries_also_while_the_application_is_down(shop, client):
    an_order = str(uuid4())
    stop(shop.web)
    client.get(f"/api/v1/orders/{an_order}?hidden")
    client.post(f"/api/v1/orders/{an_order}/cancel", content=b" " * 2 * 1024 * 1024)

    assert an_order not in (shop.deployed.folder / "nginx.log").read_text()
