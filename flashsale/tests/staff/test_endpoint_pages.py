"""Webhook endpoints, deliveries and events in the admin: secrets are shown once, each action says what it does."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection

from checkout.tests.factories import OrderFactory
from flashsale.core import clock
from flashsale.core.submissions import once
from flashsale.core.submissions.models import Submission
from flashsale.outbox import endpoints, numbering
from flashsale.outbox.admin import figures, look_ups
from flashsale.outbox.models import Delivery, Endpoint, Event
from flashsale.outbox.tests.factories import DeliveryFactory, EndpointFactory, EventFactory
from flashsale.tests.support.admin import admin_url, decide, messages_of
from flashsale.tests.support.browser import VIEWS, assert_fits, log_in_as, open_page
from flashsale.tests.support.forms import filled_in

ADD, LIST = admin_url(Endpoint, "add"), admin_url(Endpoint, "changelist")
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
ACTIONS = ("test", "replay", "enable", "disable", "rotate_secret", "delete")


def text_of(page) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.content.decode().replace("&#x27;", "'")).split())


def effect_of(client, row, action: str) -> str:
    """Return what the page says before an action is confirmed."""
    return text_of(client.get(admin_url(type(row), "act", row.pk, action)))


def everything_shown(client, endpoint) -> str:
    """Return every page, file and record on which a secret could have been left."""
    pages = [
        client.get(url)
        for url in (LIST, admin_url(Endpoint, "change", endpoint.pk), admin_url(Endpoint, "history", endpoint.pk))
    ]
    file = b"".join(client.get(admin_url(Endpoint, "export")).streaming_content)
    records = [
        *LogEntry.objects.values_list("change_message", "object_repr"),
        *Submission.objects.values_list("outcome"),
    ]
    return "".join(page.content.decode() for page in pages) + file.decode() + str(records) + str(client.cookies)


def test_a_secret_is_shown_once_when_an_endpoint_is_added_and_when_it_is_rotated(admin_client):
    given = {"url": "https://erp.example.com/hooks", "types": ["order.paid", "order.placed"], "description": "ERP"}
    form = filled_in(admin_client.get(ADD), holding=once.FIELD) | given

    added = admin_client.post(ADD, form).content.decode()
    endpoint = Endpoint.objects.get()
    again = admin_client.post(ADD, form, follow=True)
    first = endpoint.secret
    left_after_adding = everything_shown(admin_client, endpoint)
    url = admin_url(Endpoint, "act", endpoint.pk, "rotate_secret")
    form = filled_in(admin_client.get(url), holding=once.FIELD)
    rotated = admin_client.post(url, form)
    endpoint.refresh_from_db()
    pressed_again = admin_client.post(url, form, follow=True)

    assert (endpoint.types, endpoint.description) == (["order.paid", "order.placed"], "ERP")
    assert set(SECRET.findall(added)) == {first}
    assert "if you did not see it, rotate it" in messages_of(again)[0]
    assert set(SECRET.findall(rotated.content.decode())) == {endpoint.secret} != {first}
    assert "the one before signs until" in messages_of(rotated)[0]
    assert messages_of(pressed_again) == [f"Already done: {messages_of(rotated)[0]}"]
    left = left_after_adding + again.content.decode() + pressed_again.content.decode()
    assert SECRET.findall(left + everything_shown(admin_client, endpoint)) == []


def test_each_action_says_what_it_will_do_and_what_it_did(admin_client):
    delivery = DeliveryFactory(endpoint__description="ERP", event__type="order.paid")
    endpoint = delivery.endpoint
    said = {}
    for action in ("disable", "enable", "test"):
        before = effect_of(admin_client, endpoint, action)
        said[action] = (before, messages_of(decide(admin_client, endpoint, action))[0])
    replay = decide(admin_client, endpoint, "replay", after="0", types=["order.paid"])
    pending = Delivery.objects.get(event=delivery.event)

    assert "Nothing is sent to it until it is enabled." in said["disable"][0]
    assert said["disable"][1].startswith("ERP: Disabled, because staff or the back end asked for it")
    assert "what it missed included: 0 deliveries wait." in said["enable"][0]
    assert said["enable"][1] == "ERP: Enabled: events are sent as they happen."
    assert "A message of the type webhook.test is sent to https://erp-" in said["test"][0]
    assert Delivery.objects.get(event=None).message_id in said["test"][1]
    assert messages_of(replay) == [f"ERP: 1 event is sent again, up to number {delivery.event_id}."]
    assert (pending.status, pending.tries) == ("pending", 0)
    history = text_of(admin_client.get(admin_url(Endpoint, "change", endpoint.pk)))
    assert all(outcome in history for _, outcome in said.values())


def test_a_deleted_endpoint_has_no_pages_and_leads_to_the_list(admin_client):
    delivery = DeliveryFactory(endpoint__description="ERP")
    url = admin_url(Endpoint, "act", delivery.endpoint_id, "delete")
    form = filled_in(admin_client.get(url), holding=once.FIELD)

    deleted = admin_client.post(url, form, follow=True)
    again = admin_client.post(url, form, follow=True)
    page = admin_client.get(admin_url(Delivery, "change", delivery.pk))

    assert deleted.redirect_chain == [(LIST, 302)]
    assert messages_of(deleted) == ["ERP is deleted: nothing is sent to it any more."]
    assert messages_of(again) == ["Already done: ERP is deleted: nothing is sent to it any more."]
    assert page.status_code == 302
    assert not endpoints.present().exists()


def test_a_delivery_is_sent_again_from_its_page(admin_client):
    delivery = DeliveryFactory()
    page = text_of(admin_client.get(admin_url(Delivery, "change", delivery.pk)))

    told = decide(admin_client, delivery, "retry")

    assert "Dead (12 of 12 tries): The endpoint answered 500. It is not tried again by itself." in page
    assert '"quantity": 2' in page.replace("&quot;", '"')
    assert "&lt;p&gt;Out of order&lt;/p&gt;" in page
    assert "The endpoint could not be connected to in time. 3000 ms" in page
    assert f"webhook-id: {delivery.event.shown_id}" in page
    assert delivery.endpoint.secret not in page
    assert messages_of(told)[0].startswith(f"{delivery}: Pending (0 of 12 tries): due at ")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries) == ("pending", 0)


def test_what_is_sent_again_to_a_disabled_endpoint_waits(admin_client):
    delivery = DeliveryFactory(endpoint__description="ERP")
    Endpoint.objects.update(status="disabled", disabled_reason="requested")

    told = [
        messages_of(page)[0]
        for page in (
            decide(admin_client, delivery, "retry"),
            decide(admin_client, delivery.endpoint, "replay", after=0),
        )
    ]

    assert told[0].endswith("Its endpoint is disabled: it waits until that is enabled.")
    assert told[1].startswith(f"ERP: 1 event is sent again, up to number {delivery.event_id}. What is sent waits")


def test_the_pages_say_why_a_delivery_waits(admin_client):
    waiting = DeliveryFactory(status="pending", tries=3, next_try_at=clock.now())
    Endpoint.objects.update(status="disabled", disabled_reason="gone")

    delivery = text_of(admin_client.get(admin_url(Delivery, "change", waiting.pk)))
    endpoint = text_of(admin_client.get(admin_url(Endpoint, "change", waiting.endpoint_id)))
    first_page = admin_client.get("/admin/").content.decode()

    assert "Pending (3 of 12 tries)" in delivery
    assert "Its endpoint is disabled: it waits until that is enabled." in delivery
    assert "Disabled, because it answered 410 Gone: nothing is sent until it is enabled." in endpoint
    assert "1 pending, the oldest since" in endpoint
    assert f'href="{LIST}"' in first_page


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"url": "ftp://erp.example.com/"}, "A URL begins with https://"),
        ({"url": "https://10.0.0.1/hooks"}, "This address is neither public nor in OUTGOING_ALLOWED_NETWORKS."),
        (
            {"url": "https://erp.example.com/", "types": ["order.lost"]},
            "order.lost is not one of the available choices",
        ),
        ({"url": "https://erp.example.com/", "description": "x" * 201}, "at most 200 characters"),
    ],
)
def test_what_an_endpoint_cannot_have_is_an_error_of_the_form(admin_client, given, refusal):
    page = admin_client.post(ADD, given)

    assert refusal in text_of(page)
    assert not Endpoint.objects.exists()


def test_there_is_no_room_for_more_endpoints_than_the_limit(admin_client):
    EndpointFactory.create_batch(endpoints.MAX_ENDPOINTS)

    page = admin_client.post(ADD, {"url": "https://erp.example.com/hooks"})

    assert "There are 20 endpoints: delete one first." in text_of(page)
    assert Endpoint.objects.count() == endpoints.MAX_ENDPOINTS


def test_a_form_saved_over_another_change_is_refused_with_both_values(admin_client):
    endpoint = EndpointFactory(url="https://old.example.com/", types=["order.paid"])
    url = admin_url(Endpoint, "change", endpoint.pk)
    form = filled_in(admin_client.get(url), holding="shown", url="https://mine.example.com/")
    endpoints.change(endpoint.pk, url="https://theirs.example.com/")

    refused = admin_client.post(url, form)
    kept = Endpoint.objects.get().url
    saved = admin_client.post(url, filled_in(refused, holding="shown"))

    said = "changed from https://old.example.com/ to https://theirs.example.com/. You entered https://mine.example.com/"
    assert said in text_of(refused)
    assert kept == "https://theirs.example.com/"
    assert saved.status_code == 302
    assert (Endpoint.objects.get().url, Endpoint.objects.get().types) == ("https://mine.example.com/", ["order.paid"])


@pytest.mark.parametrize("role", ["viewer", "operator", "manager"])
def test_every_role_sees_endpoints_and_managers_change_them(roles, client, django_user_model, role):
    person = django_user_model.objects.create_user("eve", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    client.force_login(person)
    delivery = DeliveryFactory()
    endpoint = delivery.endpoint
    rows = (endpoint, delivery, delivery.event)

    seen = [client.get(admin_url(type(row), "change", row.pk)).status_code for row in rows]
    offered = [client.get(admin_url(Endpoint, "act", endpoint.pk, action)).status_code for action in ACTIONS]
    offered += [client.get(admin_url(Delivery, "act", delivery.pk, "retry")).status_code, client.get(ADD).status_code]
    client.post(admin_url(Endpoint, "change", endpoint.pk), {"url": "https://mine.example.com/"})

    is_manager = role == "manager"
    assert seen == [200, 200, 200]
    assert set(offered) == {200 if is_manager else 403}
    assert (Endpoint.objects.get().url == "https://mine.example.com/") is is_manager


def test_events_lead_to_what_they_are_about_and_are_found_by_it(admin_client):
    order = OrderFactory(quantity=2, customer_id="customer-77")
    numbering.number_all(batches=1)
    event = Event.objects.get(type="order.placed")
    DeliveryFactory(event=event)
    EventFactory()

    page = admin_client.get(admin_url(Event, "change", event.pk)).content.decode()
    for text in (str(order.pk), order.pk.hex[:8], str(order), event.shown_id, str(event.pk)):
        for model, found in ((Event, event), (Delivery, event.deliveries.get())):
            result = admin_client.get(admin_url(model, "changelist"), {"q": text}).context["cl"].result_list
            assert [row.pk for row in result] == [found.pk], (model, text)
    searched = admin_client.get("/admin/search/", {"s": event.shown_id}).context["results"]
    page_of_order = admin_client.get(admin_url(type(order), "change", order.pk)).content.decode()

    assert admin_url(type(order), "change", order.pk) in page
    assert str(order) in page
    assert f"{admin_url(Event, 'changelist')}?q={order.pk}" in page_of_order
    assert [result.url for result in searched] == [admin_url(Event, "change", event.pk)]


def test_an_event_about_what_is_not_there_any_more_is_shown(admin_client):
    gone, unknown = EventFactory(), EventFactory(resource="voucher", resource_id="7", type="voucher.used")

    pages = [text_of(admin_client.get(admin_url(Event, "change", event.pk))) for event in (gone, unknown)]
    shown = text_of(admin_client.get(admin_url(Event, "changelist")))

    assert f"Order {gone.resource_id}" in pages[0]
    assert "Voucher 7" in pages[1]
    assert "Voucher 7" in shown


def test_an_endpoint_is_found_by_a_part_of_its_name(admin_client):
    endpoint = EndpointFactory(description="Enterprise resource planning")

    results = admin_client.get("/admin/search/", {"s": "resource"}).context["results"]

    assert [(result.url, result.kind) for result in results] == [
        (admin_url(Endpoint, "change", endpoint.pk), "webhook endpoint, enabled")
    ]


def test_what_waits_is_counted_to_a_limit(admin_client, monkeypatch):
    monkeypatch.setattr(figures, "MAX_COUNTED", 1)
    monkeypatch.setattr("flashsale.outbox.admin.wording.MAX_COUNTED", 1)
    endpoint = EndpointFactory()
    DeliveryFactory.create_batch(3, endpoint=endpoint, status="pending", next_try_at=clock.now())

    assert "more than 1, since" in text_of(admin_client.get(LIST))


def test_a_search_by_an_order_uses_its_index(new_tables):
    order_id = EventFactory().resource_id
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    rows = Event.objects.filter(*(one for one in look_ups.events(order_id) if not hasattr(one, "query")))

    assert "outbox_event_by_resource" in rows.order_by("-sequence").explain()


@VIEWS
def test_a_secret_is_copied_by_a_button(live_server, transactional_db, admin_user, viewport, colors):
    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        log_in_as(page, admin_user)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(ADD)
        page.fill("input[name=url]", "https://erp.example.com/hooks")
        page.check("input[name=types][value='order.paid']")
        page.click("button[name=_save]")
        page.click("button[data-copies]")
        page.wait_for_selector("text=Copied.")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert_fits(page)

    endpoint = Endpoint.objects.get()
    assert (copied, endpoint.types) == (endpoint.secret, ["order.paid"])
