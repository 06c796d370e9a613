"""A form that adds or moves something acts once, however often it is sent."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth.models import Group, User
from django.db.models import F
from django.test import RequestFactory
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_api_key.models import APIKey

from catalog import products
from catalog.models import Product, Stock, StockAdjustment
from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.submissions import once, tasks, uploads
from flashsale.core.submissions.models import Submission, Upload
from flashsale.outbox.models import Endpoint
from flashsale.outbox.tests.factories import DeliveryFactory
from flashsale.tests.support.admin import admin_url, messages_of
from flashsale.tests.support.forms import filled_in, pressed_twice_while_locked
from flashsale.tests.support.racing import other_connection
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

# What a person types into each form that adds a row.
ADDED = {
    Product: {
        "name": "Widget", "price": "10.00", "currency": "EUR", "max_per_hold": "5", "opening_stock": "40",
        "queue": "off",
    },
    User: {"username": "bob", "password1": "correct-horse-9", "password2": "correct-horse-9"},
    Group: {"name": "night shift"},
    Endpoint: {"url": "https://erp.example.com/hooks"},
    APIKey: {"name": "ERP"},
    IntervalSchedule: {"every": "7", "period": "hours"},
    CrontabSchedule: {"minute": "7", "timezone": "UTC"},
    PeriodicTask: {"name": "again", "task": "catalog.tasks.refresh_availability"}
    | dict.fromkeys(("args", "kwargs", "headers"), "{}")
    | {"args": "[]"},
}  # fmt: skip
# What may be repeated: it answers a file, asks for confirmation itself, or sets what is set already.
REPEATABLE = {"export_csv", "delete_selected", "enable_tasks", "disable_tasks", "run_tasks", "unlock"}


def product():
    return ProductFactory(name="Widget")


def paused():
    made = ProductFactory(name="Widget")
    products.pause(made.pk)
    return made


def withdrawn():
    made = ProductFactory(name="Widget")
    products.withdraw(made.pk)
    return made


def dead():
    event = receive(key="evt_1", payment_id="pay_1").event
    WebhookEvent.objects.update(status="dead")
    return event


def doubtful():
    return receive(key="evt_1", order_id=OrderFactory().pk, payment_id="pay_1", amount="50.00").event


def payment():
    receive(order_id=OrderFactory().pk, payment_id="pay_1")
    return Payment.objects.get()


def device():
    return TOTPDevice.objects.create(user=User.objects.create_user("bob"), name="phone", confirmed=True)


def endpoint():
    return DeliveryFactory().endpoint


# Each action that asks for confirmation: a row that it can be used on.
ACTIONS = {
    "catalog.product.adjust_stock": product,
    "catalog.product.limit_queue": product,
    "catalog.product.publish": withdrawn,
    "catalog.product.withdraw": product,
    "catalog.product.pause": product,
    "catalog.product.resume": paused,
    "catalog.stock.adjust_stock": lambda: ProductFactory(name="Widget").stock,
    "checkout.hold.release": HoldFactory,
    "checkout.order.cancel": OrderFactory,
    "checkout.order.refund": lambda: payment().order,
    "checkout.order.ask_provider": OrderFactory,
    "payments.webhookevent.retry": dead,
    "payments.webhookevent.accept": doubtful,
    "payments.webhookevent.refund": doubtful,
    "payments.webhookevent.dismiss": doubtful,
    "payments.payment.mark_refunded": payment,
    "payments.payment.refund": payment,
    "otp_totp.totpdevice.remove": device,
    "outbox.delivery.retry": DeliveryFactory,
    **{
        f"outbox.endpoint.{action}": endpoint
        for action in ("test", "replay", "enable", "disable", "rotate_secret", "delete")
    },
}


def everything() -> dict[str, list]:
    """Every row that a form may add or move."""
    models = [
        model
        for app in ("catalog", "checkout", "payments", "outbox", "auth")
        for model in apps.get_app_config(app).get_models()
    ]
    models += [APIKey, TOTPDevice, IntervalSchedule, CrontabSchedule, PeriodicTask]
    return {model._meta.label: list(model.objects.order_by("pk").values()) for model in models if model is not User}


def asked(client, row, action: str):
    """Choose an action for a row; returns the page that asks for confirmation."""
    return client.post(admin_url(type(row), "changelist"), {"action": action, "_selected_action": str(row.pk)})


def as_superuser(admin_user):
    request = RequestFactory().get("/admin/")
    request.user = admin_user
    return request


def test_every_form_that_adds_and_every_action_is_in_these_tables(admin_user):
    request = as_superuser(admin_user)

    adding = {model for model, one in site._registry.items() if one.has_add_permission(request)}
    actions = {
        f"{model._meta.label_lower}.{name}"
        for model, one in site._registry.items()
        for name in one.get_actions(request)
        if name not in REPEATABLE
    }

    assert adding == set(ADDED)
    assert actions == set(ACTIONS)


def test_every_custom_page_is_in_this_table():
    """A new one that adds or moves something needs a token: `catalog/tests/test_import.py` presses this one twice."""
    of_its_own = {
        f"{model._meta.label_lower}.{name}"
        for model, one in site._registry.items()
        for kind in ("actions_list", "actions_detail", "actions_row", "actions_submit_line")
        for name in getattr(one, kind, ())
    }

    assert of_its_own == {"catalog.product.import_csv"}


@pytest.mark.parametrize("model", ADDED, ids=lambda model: model.__name__)
def test_a_form_sent_twice_adds_once(admin_client, admin_user, schedule, model):
    given = dict(ADDED[model])
    if model is PeriodicTask:
        given["interval"] = str(IntervalSchedule.objects.first().pk)
    page = admin_client.get(admin_url(model, "add"))
    sent = filled_in(page, holding=once.FIELD, **given)
    before = model.objects.count()

    first = admin_client.post(admin_url(model, "add"), sent)
    second = admin_client.post(admin_url(model, "add"), sent, follow=True)

    # A token or a secret is shown in the answer, this once.
    assert first.status_code == (200 if model in (APIKey, Endpoint) else 302)
    assert model.objects.count() == before + 1
    assert any(text.startswith("Already done: ") and "was added" in text for text in messages_of(second))


@pytest.mark.parametrize("named", ACTIONS)
def test_an_action_confirmed_twice_is_carried_out_once(admin_client, named):
    row, action = ACTIONS[named](), named.rpartition(".")[2]
    page = asked(admin_client, row, action)
    sent = filled_in(
        page,
        holding=once.FIELD,
        note="Ticket 17",
        **{name: "5" for name in ("delta", "after", "rate_max") if name in page.context["form"].fields},
    )

    first = admin_client.post(admin_url(type(row), "changelist"), sent, follow=True)
    after = everything()
    second = admin_client.post(admin_url(type(row), "changelist"), sent, follow=True)

    assert Submission.objects.count() == 1
    assert messages_of(second) == [f"Already done: {Submission.objects.get().outcome}"]
    if action != "retry":
        assert messages_of(first) == [Submission.objects.get().outcome]
    assert everything() == after


def test_a_row_that_no_longer_matches_the_filter_still_gets_its_message(admin_client):
    row = doubtful()
    sent = filled_in(asked(admin_client, row, "dismiss"), holding=once.FIELD, note="Ticket 17")
    filtered = f"{admin_url(WebhookEvent, 'changelist')}?status__exact=needs_review"

    admin_client.post(filtered, sent, follow=True)
    second = admin_client.post(filtered, sent, follow=True)

    assert messages_of(second) == ["Already done: Event evt_1: Dismissed: no order, units or money were changed."]


def test_the_same_action_from_a_new_form_is_done_again(admin_client):
    row = product()
    for _ in range(2):
        sent = filled_in(asked(admin_client, row, "adjust_stock"), holding=once.FIELD, note="Ticket 17", delta="5")
        admin_client.post(admin_url(Product, "changelist"), sent)

    assert Stock.objects.get().total == 20


def test_a_refused_form_may_be_sent_again(admin_client):
    row = ProductFactory(stock=0)
    sent = filled_in(asked(admin_client, row, "adjust_stock"), holding=once.FIELD, note="Ticket 17", delta="-5")

    refused = admin_client.post(admin_url(Product, "changelist"), sent, follow=True)
    admin_client.post(admin_url(Product, "changelist"), sent | {"delta": "7"})

    assert "committed" in messages_of(refused)[0]
    assert Stock.objects.get().total == 7


def test_an_add_form_with_errors_keeps_its_token_and_may_be_sent_again(admin_client):
    page = admin_client.get(admin_url(Product, "add"))
    sent = filled_in(page, holding=once.FIELD, **ADDED[Product])

    wrong = admin_client.post(admin_url(Product, "add"), sent | {"price": "-1"})
    again = filled_in(wrong, holding=once.FIELD)
    right = admin_client.post(admin_url(Product, "add"), sent)

    assert again[once.FIELD] == sent[once.FIELD]
    assert right.status_code == 302
    assert Product.objects.count() == 1


def test_a_verb_that_stores_no_token_fails_the_call(admin_client, monkeypatch):
    row = product()
    monkeypatch.setattr(products, "pause", lambda product_id: Product.objects.get(pk=product_id))
    sent = filled_in(asked(admin_client, row, "pause"), holding=once.FIELD, note="Ticket 17")

    with pytest.raises(RuntimeError, match="retrying_transaction_once"):
        admin_client.post(admin_url(Product, "changelist"), sent)


def test_the_daily_purge_deletes_old_tokens_and_uploads(admin_user):
    uploads.store(b"old", made_by=admin_user)
    token = uploads.store(b"new", made_by=admin_user)
    old = uploads.Upload.objects.exclude(pk=token)
    old.update(made_at=F("made_at") - timedelta(hours=uploads.RETENTION_HOURS + 1))
    for name, days in (("old", once.RETENTION_DAYS + 1), ("new", 0)):
        made = Submission.objects.create(token=token, step=name)
        Submission.objects.filter(pk=made.pk).update(made_at=F("made_at") - timedelta(days=days))

    tasks.purge_submissions()

    assert list(Submission.objects.values_list("step", flat=True)) == ["new"]
    assert [bytes(content) for content in Upload.objects.values_list("content", flat=True)] == [b"new"]


def test_a_user_keeps_a_few_uploads_and_sees_no_other_users(admin_user, django_user_model):
    tokens = [uploads.store(str(number).encode(), made_by=admin_user) for number in range(uploads.MAX_PER_USER + 1)]
    other = django_user_model.objects.create_user("bob")

    assert [uploads.find(token, made_by=admin_user) for token in tokens] == [None, b"1", b"2", b"3", b"4", b"5"]
    assert uploads.find(tokens[-1], made_by=other) is None


def adjusted_twice(new_admin_client) -> list:
    row = ProductFactory(stock=10)
    sent = filled_in(asked(new_admin_client(), row, "adjust_stock"), holding=once.FIELD, note="Ticket 17", delta="5")
    locked = f"SELECT 1 FROM catalog_stock WHERE product_id = {row.pk} FOR UPDATE"
    return pressed_twice_while_locked(new_admin_client, admin_url(Product, "changelist"), sent, locked=locked)


def test_adjust_stock_pressed_twice_while_the_row_is_locked_adjusts_once(new_admin_client):
    answers = adjusted_twice(new_admin_client)

    assert Stock.objects.get().total == 15
    assert StockAdjustment.objects.filter(delta=5).count() == 1
    assert all("+5 units, 15 in all." in answer.content.decode() for answer in answers)
    assert [answer.content.decode().count("Already done: ") for answer in answers] in ([0, 1], [1, 0])


def test_control_without_the_token_it_adjusts_twice(new_admin_client, monkeypatch):
    without_tokens(monkeypatch)

    adjusted_twice(new_admin_client)

    assert Stock.objects.get().total == 20


def without_tokens(monkeypatch) -> None:
    """Let every press have a token of its own."""
    monkeypatch.setattr(once, "parse_uuid", lambda text: None)


def test_a_lock_timeout_is_a_message_and_the_same_form_works_later(new_admin_client):
    row, client = ProductFactory(stock=10), new_admin_client()
    sent = filled_in(asked(client, row, "adjust_stock"), holding=once.FIELD, note="Ticket 17", delta="5")

    with other_connection() as holder:
        holder.execute("SELECT 1 FROM catalog_stock WHERE product_id = %s FOR UPDATE", [row.pk])
        busy = client.post(admin_url(Product, "changelist"), sent, follow=True)
    before = Stock.objects.get().total
    client.post(admin_url(Product, "changelist"), sent)

    assert "did not answer in time" in messages_of(busy)[0]
    assert before == 10
    assert Stock.objects.get().total == 15


def added_twice(new_admin_client) -> list:
    page = new_admin_client().get(admin_url(Product, "add"))
    sent = filled_in(page, holding=once.FIELD, **ADDED[Product])
    locked = "LOCK TABLE catalog_product IN SHARE MODE"
    return pressed_twice_while_locked(new_admin_client, admin_url(Product, "add"), sent, locked=locked)


def test_a_product_added_twice_at_the_same_moment_is_one(new_admin_client):
    answers = added_twice(new_admin_client)

    assert Product.objects.count() == 1
    assert [answer.content.decode().count("Already done: ") for answer in answers] in ([0, 1], [1, 0])


def test_control_without_the_token_there_are_two_products(new_admin_client, monkeypatch):
    without_tokens(monkeypatch)

    added_twice(new_admin_client)

    assert Product.objects.count() == 2
