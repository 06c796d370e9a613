"""However an account is deleted, its history stays readable: who did what, when and why."""

import re

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from catalog.models import Product, StockAdjustment
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.staff import deleted_accounts
from flashsale.tests.support.admin import admin_url, decide
from flashsale.tests.support.racing import at_once, other_connection
from payments.models import Payment, RefundRequest, WebhookEvent
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann(client):
    """A member of staff who cancelled, refunded, settled, paused and adjusted something."""
    ann = User.objects.create_superuser("ann", email="ann@example.com", password="x")
    ann.groups.add(Group.objects.create(name="some"))
    TOTPDevice.objects.create(user=ann, name="phone")
    client.force_login(ann)
    order, paid, other = OrderFactory(), OrderFactory(), OrderFactory()
    decide(client, order, "cancel", note="Ticket 17")
    receive(order_id=paid.pk, payment_id="pay_1")
    decide(client, Payment.objects.get(), "mark_refunded", note="Ticket 18")
    decide(client, receive(order_id=other.pk, payment_id="pay_2", amount="1.00").event, "dismiss", note="Ticket 19")
    decide(client, order.product, "pause", note="Ticket 20")
    decide(client, order.product, "adjust_stock", delta="5", note="Ticket 21")
    return ann


def by_model(user):
    return user.delete()


def by_query(user):
    return User.objects.filter(pk=user.pk).delete()


def by_page(user):
    page = _root().get(admin_url(User, "delete", user.pk)).content.decode()
    answer = _root().post(admin_url(User, "delete", user.pk), {"post": "yes"})
    assert "its history is kept" in page
    assert answer.status_code == 302


def by_action(user):
    fields = {"action": "delete_selected", "_selected_action": user.pk}
    page = _root().post(admin_url(User, "changelist"), fields).content.decode()
    answer = _root().post(admin_url(User, "changelist"), fields | {"post": "yes"})
    assert "its history is kept" in page
    assert answer.status_code == 302


def by_herself(user):
    client = Client()
    client.force_login(user)
    assert client.post(admin_url(User, "delete", user.pk), {"post": "yes"}).status_code == 302


def _root():
    client = Client()
    root = User.objects.filter(username="root").first() or User.objects.create_superuser("root")
    client.force_login(root)
    return client


WAYS = [by_model, by_query, by_page, by_action, by_herself]


@pytest.mark.parametrize("delete", WAYS, ids=lambda way: way.__name__)
def test_a_deleted_accounts_history_keeps_its_name(ann, admin_client, delete):
    cancelled = Order.objects.get(status="cancelled")
    name = f"ann (deleted account {ann.pk})"
    times = list(LogEntry.objects.filter(user=ann).order_by("pk").values_list("action_time", "change_message"))

    delete(ann)

    assert not User.objects.filter(username="ann").exists()
    assert not TOTPDevice.objects.exists()
    entries = LogEntry.objects.filter(user__username=name).order_by("pk")
    assert list(entries.values_list("action_time", "change_message"))[: len(times)] == times
    page = admin_client.get(admin_url(Order, "change", cancelled.pk)).content.decode()
    assert f"{name}: Cancel the order. " in page
    assert "Note: Ticket 17" in page
    page = admin_client.get(admin_url(Product, "change", cancelled.product_id)).content.decode()
    changes = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert re.search(rf"{re.escape(name)}:? paused at ", changes)
    assert StockAdjustment.objects.get(reason="Ticket 21").made_by.username == name
    assert Payment.objects.get(payment_id="pay_1").refunded_by.username == name
    assert RefundRequest.objects.get().requested_by.username == name
    assert WebhookEvent.objects.get(payment_ref="pay_2").settled_by.username == name
    for model in (StockAdjustment, Payment, WebhookEvent, User):
        assert admin_client.get(admin_url(model, "changelist")).status_code == 200


def test_the_placeholder_has_only_a_name(ann):
    ann.delete()

    placeholder = User.objects.get(username__startswith="ann")
    assert (placeholder.is_active, placeholder.is_staff, placeholder.is_superuser) == (False, False, False)
    assert (placeholder.email, placeholder.has_usable_password(), placeholder.groups.count()) == ("", False, 0)


def test_an_account_without_history_leaves_no_placeholder(admin_client):
    eve = User.objects.create_user("eve", is_staff=True)

    admin_client.post(admin_url(User, "delete", eve.pk), {"post": "yes"})

    assert not User.objects.filter(username__startswith="eve").exists()


def test_a_user_name_can_be_reused_and_deleted_again(ann):
    order = Order.objects.get(status="cancelled")
    first_pk = ann.pk
    ann.delete()
    second = User.objects.create_user("ann")
    second_pk = second.pk
    LogEntry.objects.log_actions(second.pk, [order], 2, change_message="Again")

    second.delete()

    names = set(User.objects.filter(username__startswith="ann").values_list("username", flat=True))
    assert names == {f"ann (deleted account {first_pk})", f"ann (deleted account {second_pk})"}


def test_the_longest_name_is_cut(order):
    user = User.objects.create_user("a" * 150)
    LogEntry.objects.log_actions(user.pk, [order], 2, change_message="Note")

    user.delete()

    kept = LogEntry.objects.get().user.username
    assert len(kept) == 150
    assert "aaa (deleted account " in kept


def test_a_placeholder_cannot_be_deleted_in_the_admin_and_keeps_its_name_elsewhere(ann, admin_client):
    ann.delete()
    placeholder = User.objects.get(username__startswith="ann")

    page = admin_client.get(admin_url(User, "delete", placeholder.pk)).content.decode()
    refused = admin_client.post(admin_url(User, "delete", placeholder.pk), {"post": "yes"})
    fields = {"action": "delete_selected", "_selected_action": placeholder.pk, "post": "yes"}
    asked_again = admin_client.post(admin_url(User, "changelist"), fields)

    assert "the history of a deleted account" in page
    assert (refused.status_code, asked_again.status_code) == (200, 200)
    assert User.objects.filter(pk=placeholder.pk).exists()
    pk = placeholder.pk
    placeholder.delete()
    assert LogEntry.objects.filter(user__username=f"ann (deleted account {pk})").exists()


def test_a_note_written_during_the_deletion_is_refused_or_kept(ann, order):
    """Without the lock on the account it would be deleted with it: written after the handing over."""
    with other_connection() as other:
        other.execute("SELECT 1 FROM auth_user WHERE id = %s FOR KEY SHARE", [ann.pk])
        other.execute(
            "INSERT INTO django_admin_log (action_time, object_repr, action_flag, change_message, user_id, object_id)"
            " VALUES (now(), '-', 2, 'Meanwhile', %s, '-')",
            [ann.pk],
        )

        def commit() -> None:
            with other_connection(autocommit=True) as looker:
                while not looker.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                    pass
            other.commit()

        results = at_once(ann.delete, commit)

    assert not [result for result in results if isinstance(result, Exception)]
    assert LogEntry.objects.get(change_message="Meanwhile").user.username.startswith("ann (deleted")


def test_control_without_the_lock_the_note_is_lost(ann, monkeypatch):
    pk = ann.pk
    reassign_history = deleted_accounts.Account.reassign_history

    def and_then_a_note(account) -> None:
        reassign_history(account)
        LogEntry.objects.log_actions(pk, [account.user], 2, change_message="Meanwhile")

    monkeypatch.setattr(deleted_accounts.Account, "reassign_history", and_then_a_note)
    ann.delete()

    assert not LogEntry.objects.filter(change_message="Meanwhile").exists()


def test_every_reference_to_a_user_is_reassigned_or_deleted_with_the_account():
    references = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_fields
        if not model._meta.proxy and field.remote_field and field.remote_field.model is User
    }

    kept = {f"{model._meta.label}.{field}" for model, field in deleted_accounts.REASSIGNED}
    assert references == kept | deleted_accounts.DELETED_WITH_ACCOUNT


def test_a_user_with_history_cannot_be_deleted_by_sql(ann):
    with pytest.raises(IntegrityError, match="violates foreign key constraint"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE id = %s", [ann.pk])
