"""Actions stand as buttons on a row's own page, ask for confirmation, and lead back to the page."""

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from catalog import products
from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.core.staff.page_actions import PageActionsMixin
from flashsale.tests.support.admin import admin_url, messages_of

pytestmark = pytest.mark.django_db


def act_url(row, action: str) -> str:
    return admin_url(type(row), "act", row.pk, action)


def press(client, row, action: str, **given):
    fields = {"_selected_action": row.pk, "action": action, "confirmed": "yes"} | given
    return client.post(act_url(row, action), fields, follow=True)


def test_a_running_sale_is_paused_with_a_button_and_its_confirmation(admin_client):
    product = ProductFactory(name="Widget")

    page = admin_client.get(admin_url(Product, "change", product.pk)).content.decode()
    asked = admin_client.get(act_url(product, "pause"))
    answered = press(admin_client, product, "pause")

    assert act_url(product, "pause") in page
    assert act_url(product, "resume") not in page
    assert asked.context["title"] == "Pause the sale: Widget"
    product.refresh_from_db()
    assert product.paused_at
    assert answered.redirect_chain == [(admin_url(Product, "change", product.pk), 302)]
    assert messages_of(answered) == ["Widget is paused."]
    assert act_url(product, "resume") in answered.content.decode()


def test_asking_changes_nothing(admin_client):
    product = ProductFactory()

    admin_client.get(act_url(product, "pause"))
    admin_client.post(act_url(product, "pause"))

    product.refresh_from_db()
    assert product.paused_at is None


def test_a_note_is_required_where_units_move_and_marked(admin_client):
    product = ProductFactory(stock=10)

    asked = admin_client.get(act_url(product, "adjust_stock")).content.decode()
    refused = press(admin_client, product, "adjust_stock", delta="5")

    assert asked.count("(required)") == 2
    assert "(optional)" in admin_client.get(act_url(product, "pause")).content.decode()
    assert refused.context["form"].errors.keys() == {"note"}
    assert Stock.objects.get().total == 10


def test_the_history_says_what_was_done_with_its_numbers_and_note(admin_client):
    product = ProductFactory(name="Widget", stock=10)

    press(admin_client, product, "adjust_stock", delta="5", note="Found a box")
    press(admin_client, product, "pause")

    said = [str(entry) for entry in LogEntry.objects.order_by("pk").values_list("change_message", flat=True)]
    assert said == [
        "Adjust stock. Widget had 10 units in all: +5 units, 15 in all. Note: Found a box",
        "Pause the sale. Widget is paused.",
    ]


def test_the_history_has_what_was_done_although_the_process_died_right_after(admin_client, monkeypatch):
    product = ProductFactory(name="Widget", stock=10)

    def die(*args, **kwargs):
        raise SystemExit

    monkeypatch.setattr(PageActionsMixin, "message_user", die)
    with pytest.raises(SystemExit):
        press(admin_client, product, "adjust_stock", delta="5", note="Found a box")

    assert Stock.objects.get().total == 15
    assert "15 in all. Note: Found a box" in LogEntry.objects.get().change_message


def test_what_was_refused_is_in_no_history(admin_client):
    product = ProductFactory(stock=10)

    press(admin_client, product, "adjust_stock", delta="-11", note="Lost a box")

    assert Stock.objects.get().total == 10
    assert not LogEntry.objects.exists()


def test_another_member_of_staff_was_faster(admin_client):
    product = ProductFactory()
    products.pause(product.pk)

    answered = press(admin_client, product, "pause")

    assert "paused already" in messages_of(answered)[0]


@pytest.mark.parametrize("action", ["export_csv", "delete_selected", "nonsense", "get_urls"])
def test_only_actions_of_the_page_can_be_asked_for(admin_client, action):
    assert admin_client.get(act_url(ProductFactory(), action)).status_code == 404


@pytest.mark.parametrize("ticked", ["zzz", "0", "another"])
def test_the_page_of_a_row_acts_on_no_other_row(admin_client, ticked):
    product, other = ProductFactory(), ProductFactory()

    answered = press(admin_client, product, "pause", _selected_action=other.pk if ticked == "another" else ticked)

    assert answered.status_code == 404
    assert not Product.objects.exclude(paused_at=None).exists()


@pytest.mark.parametrize("key", ["0", "99", "x", "1' OR 1=1"])
def test_a_row_that_does_not_exist_is_404(admin_client, key):
    assert admin_client.get(f"/admin/catalog/product/{key}/act/pause/").status_code == 404


def test_without_the_permission_there_is_no_button_and_no_page(client, django_user_model):
    product = ProductFactory()
    viewer = django_user_model.objects.create_user("eve", password="secret-1", is_staff=True)
    viewer.groups.add(viewer.groups.model.objects.get(name="viewer"))
    client.force_login(viewer)

    page = client.get(admin_url(Product, "change", product.pk))

    assert page.status_code == 200
    assert "/act/" not in page.content.decode()
    assert client.get(act_url(product, "pause")).status_code == 403
    assert press(client, product, "pause").status_code == 403


def test_a_hold_is_released_on_its_page(admin_client):
    hold = HoldFactory(product=ProductFactory(name="Widget"), quantity=2, customer_id="ann")

    answered = press(admin_client, hold, "release", note="Asked for it")

    hold.refresh_from_db()
    assert hold.status == Hold.Status.RELEASED
    assert messages_of(answered) == [
        f"Hold {hold.pk.hex[:8]}, 2 x Widget, ann is released; its 2 units are available again."
    ]


def test_each_action_of_a_page_is_one_of_its_list():
    admins = [model_admin for model_admin in site._registry.values() if isinstance(model_admin, PageActionsMixin)]

    assert len(admins) >= 5
    for model_admin in admins:
        assert set(model_admin.page_actions) <= set(model_admin.actions)


@pytest.mark.parametrize("zone", ["Africa/Cairo", "Asia/Tokyo"])
def test_moments_are_shown_with_seconds_24_hours_and_their_zone(admin_client, settings, zone):
    settings.TIME_ZONE = zone
    hold = HoldFactory()
    Hold.objects.update(created_at="2026-01-15T10:47:03Z", expires_at="2026-01-15T10:49:03Z")

    pages = [admin_client.get(admin_url(Hold, "changelist")), admin_client.get(admin_url(Hold, "change", hold.pk))]

    shown = {"Africa/Cairo": "2026-01-15 12:47:03 EET", "Asia/Tokyo": "2026-01-15 19:47:03 JST"}[zone]
    assert all(shown in page.content.decode() for page in pages)


def test_the_url_of_a_products_actions_has_a_name():
    assert reverse("admin:catalog_product_act", args=[7, "pause"]) == "/admin/catalog/product/7/act/pause/"
