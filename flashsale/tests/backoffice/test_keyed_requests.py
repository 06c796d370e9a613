"""A change of the back office acts once for its Idempotency-Key, in one transaction with its answer and its history."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db.models import F

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core.rest.views import render_json
from flashsale.core.submissions import keyed_requests, once, tasks
from flashsale.core.submissions.keyed_requests import AlreadyAnswered, Answer, Request
from flashsale.core.submissions.models import KeyedRequest, TokenAction
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.tests.support.backoffice import BackofficeClient
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.racing import Meeting, at_once

KEY = "0123456789abcdef"
NOTE = {"note": "Asked by mail"}


def test_a_repeated_request_is_answered_what_the_first_one_was(erp, order):
    first = erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY)
    again = erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY)

    assert first.status_code == again.status_code == 200
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert first.json()["status"] == "cancelled"
    assert TokenAction.objects.count() == 1


def test_a_key_is_for_one_request(erp, order, product):
    other = OrderFactory(product=product)
    erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY)

    for path, body in ((f"/orders/{order.pk}/cancel", {"note": "Other"}), (f"/orders/{other.pk}/cancel", NOTE)):
        problem_of(erp.post(path, body, key=KEY), 422, "idempotency_key_reused")
    assert Order.objects.get(pk=other.pk).status == "pending_payment"


def test_the_same_key_of_another_token_is_another_key(erp, order, product):
    other = OrderFactory(product=product)

    first = erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY)
    second = BackofficeClient(name="CRM").post(f"/orders/{other.pk}/cancel", NOTE, key=KEY)

    assert first.json()["order_id"] != second.json()["order_id"]


def test_a_refused_request_leaves_its_key_free(erp, order):
    Order.objects.update(status="expired", closed_at=F("payment_due_at"))
    problem_of(erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY), 409, "order_not_pending")
    assert not KeyedRequest.objects.exists()

    Order.objects.update(status="pending_payment", closed_at=None)
    assert erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY).status_code == 200


def test_what_fails_after_the_verb_undoes_it(erp, order, monkeypatch):
    def fail(*args):
        raise RuntimeError("the answer cannot be made")

    monkeypatch.setattr("checkout.backoffice.orders.get", fail)
    assert erp.post(f"/orders/{order.pk}/cancel", NOTE, key=KEY).status_code == 500

    assert Order.objects.get().status == "pending_payment"
    assert not KeyedRequest.objects.exists()
    assert not TokenAction.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_claimed", [True, False], ids=["", "control"])
def test_of_two_at_once_one_acts(is_claimed, monkeypatch):
    """Control: without the claim of the key both act."""
    if not is_claimed:
        monkeypatch.setattr(Request, "claim", lambda self: None)
    meeting, acted = Meeting(2), []

    @retrying_transaction_once
    def act() -> int:
        acted.append(1)
        meeting.wait()
        return len(acted)

    def send() -> dict:
        try:
            return request_for(act, data=lambda number: {"number": number}).made.data
        except AlreadyAnswered as earlier:
            return earlier.answer.data

    answers = at_once(send, send)

    assert len(acted) == (1 if is_claimed else 2)
    assert is_claimed is (answers == [{"number": 1}] * 2)


def request_for(verb, *, data, secrets=()) -> Request:
    request = Request(
        client="abcdefgh", key=KEY, fingerprint="f", name="test", record=lambda result: None, render=render_json,
        answer=lambda result: Answer(status=201, data=data(result), secret_members=secrets),
    )  # fmt: skip
    with once.performing(request):
        verb()
    return request


@retrying_transaction_once
def make() -> SimpleNamespace:
    return SimpleNamespace(id=1, secret="whsec_very_secret")


def endpoint_of(made) -> dict:
    return {"id": made.id, "secret": made.secret, "url": "https://shop.example.com"}


@pytest.mark.django_db(transaction=True)
def test_a_secret_is_kept_for_a_day_and_the_rest_of_an_answer_for_thirty():
    request_for(make, data=endpoint_of, secrets=("secret",))
    row = KeyedRequest.objects.get()
    assert "whsec" not in row.body

    assert replayed() == {"id": 1, "secret": "whsec_very_secret", "url": "https://shop.example.com"}
    tasks.purge_keyed_requests()
    assert replayed()["secret"] == "whsec_very_secret"
    age(hours=keyed_requests.SECRETS_HOURS)
    assert list(replayed().items()) == [("id", 1), ("secret", None), ("url", "https://shop.example.com")]
    assert KeyedRequest.objects.get().secrets != {}
    tasks.purge_keyed_requests()
    assert KeyedRequest.objects.get().secrets == {}
    age(days=keyed_requests.RETENTION_DAYS)
    tasks.purge_keyed_requests()
    assert not KeyedRequest.objects.exists()


def replayed() -> dict:
    with pytest.raises(AlreadyAnswered) as earlier:
        request_for(make, data=endpoint_of, secrets=("secret",))
    return earlier.value.answer.data


def age(**by) -> None:
    KeyedRequest.objects.update(made_at=F("made_at") - timedelta(**by))
