"""A flood of log-ins during a sale, over HTTP, on a server with more threads than database connections."""

import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from catalog.tests.factories import ProductFactory
from flashsale.models import LoginFailure
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, start, wait_until
from flashsale.tests.support.web import database_url

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
FLOOD, LOGINS_EACH, HOLDS = 20, 6, 40
CONNECTIONS = 2


@pytest.fixture
def url(tmp_path):
    port = free_port()
    argv = ["granian", "--interface", "rsgi", "--no-ws", "flashsale.rsgi:application", "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--workers", "1"]
    environment = {
        "DATABASE_URL": database_url(), "DATABASE_POOL_MAX": str(CONNECTIONS),
        "LOGINS_PER_MINUTE": "0", "LOGINS_PER_MINUTE_OVERALL": "0",
    }  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        server = start(sys.executable, "-m", *argv, environment=os.environ | environment, stdout=log, stderr=log)

        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answers, what="the server answers")
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.wait(WAIT_SECONDS)


def guesser(url: str):
    """Returns a function that logs in with a name and a wrong password, and returns the answer."""
    client = httpx.Client(base_url=url, timeout=60)
    page = client.get("/admin/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]

    def guess(name: str) -> httpx.Response:
        fields = {"csrfmiddlewaretoken": token, "username": name, "password": "wrong"}
        return client.post("/admin/login/", data=fields)

    return guess


def test_a_flood_of_log_ins_makes_no_hold_busy_and_no_server_error(url):
    product = ProductFactory(stock=HOLDS)
    begun = threading.Barrier(FLOOD + 1)

    def flood(number: int) -> list[int]:
        guess = guesser(url)
        begun.wait(WAIT_SECONDS)
        return [guess(f"name-{number}-{again}").status_code for again in range(LOGINS_EACH)]

    with ThreadPoolExecutor(FLOOD) as pool, httpx.Client(base_url=url, timeout=60) as buyer:
        floods = [pool.submit(flood, number) for number in range(FLOOD)]
        begun.wait(WAIT_SECONDS)
        holds = [buyer.post("/api/v1/holds", json={"product_id": product.pk, "quantity": 1}) for _ in range(HOLDS)]
        logins = [status for one in floods for status in one.result()]

    assert [answer.status_code for answer in holds] == [201] * HOLDS
    assert set(logins) == {200, 429}
    assert LoginFailure.objects.filter(failures=1).count() == logins.count(200)


def test_parallel_guesses_over_http_are_all_counted(url, django_user_model):
    django_user_model.objects.create_user("ann", password="secret-1", is_staff=True)
    guessers = [guesser(url) for _ in range(FLOOD)]

    with ThreadPoolExecutor(FLOOD) as pool:
        answers = list(pool.map(lambda guess: guess("ann"), guessers))

    assert {answer.status_code for answer in answers} == {200, 429}
    unseen = [answer for answer in answers if "no attempt was counted" in answer.text]
    assert LoginFailure.objects.get().failures == FLOOD - len(unseen)
