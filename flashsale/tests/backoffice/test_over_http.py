"""The back office behind the web server: its requests run in worker threads, which also receive long bodies."""

import httpx
import pytest

from checkout.models import Order
from flashsale.tests.support.backoffice import BASE, BackofficeClient, new_key
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.web import SECONDS, web_server

# Longer than what the server receives before it processes a request.
LONG = 300 * 1024


@pytest.mark.django_db(transaction=True)
def test_a_change_is_made_by_the_web_server_once_and_a_long_body_is_refused(order, tmp_path):
    token, key = BackofficeClient().token, new_key()
    path = f"{BASE}/orders/{order.pk}/cancel"

    with web_server(tmp_path / "log") as port, httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS
    ) as client:  # fmt: skip
        too_long = client.post(path, json={"note": "x" * LONG}, headers={"Idempotency-Key": key})
        answers = [client.post(path, json={"note": "x"}, headers={"Idempotency-Key": key}) for _ in range(2)]
        listed = client.get(f"{BASE}/orders", params={"status": "cancelled"})

    problem_of(too_long, 413, "payload_too_large")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert [one["order_id"] for one in listed.json()["results"]] == [str(order.pk)]
    assert Order.objects.get().status == "cancelled"
