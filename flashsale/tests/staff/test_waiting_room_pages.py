"""What staff see of queues, what they can change, and that no page shows a seed before the draw."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.cache import cache

from catalog import products
from catalog.admin.admission import RateForm
from catalog.models import Product
from checkout.tests.support.queues import join, queued_product, serve_up_to, start_sale
from checkout.waiting_room.counts import counter
from checkout.waiting_room.models import Queue
from flashsale.staff import dashboard
from flashsale.tests.support.admin import admin_url, messages_of
from flashsale.tests.support.forms import filled_in

pytestmark = pytest.mark.django_db

PLACES = {"tickets_per_second": 20.0, "buyers_per_second": 8.0, "show_up": 0.4, "limited_by": "payments"}


@pytest.fixture
def queued(api) -> Product:
    """A product whose queue has 1,000 tickets; its sale has not begun."""
    product = queued_product(stock=50, name="Widget")
    join(api, product)
    counter.store()
    Queue.objects.update(tickets=1_000)
    return product


def serving(product: Product) -> None:
    """Let the sale begin, and 40 % of the draw be served."""
    start_sale(product)
    Queue.objects.update(controller=PLACES)
    serve_up_to(product, 0.4)


def page_of(client, product: Product):
    return client.get(admin_url(Product, "change", product.pk))


def section(client, product: Product) -> dict[str, str]:
    """What the product's page tells of its queue."""
    return {figure.name: figure.value for figure in page_of(client, product).context["queue_figures"]}


def test_the_page_of_a_product_tells_of_its_queue_in_words(admin_client, queued, product):
    before = section(admin_client, queued)
    serving(queued)
    after = section(admin_client, queued)

    assert (before["State"], before["Tickets"], before["Waiting"], before["Served"]) == (
        "Open: the draw is made when the sale starts.", "1,000", "1,000", "0",
    )  # fmt: skip
    assert not {"Admitted now", "Seed"} & before.keys()
    assert (after["State"], after["Waiting"], after["Served"]) == ("Serving 40.0% of the draw.", "600", "400")
    assert after["Admitted now"] == "20 tickets a second; 8 buyers are expected to come (40% of the tickets)"
    assert after["Limited by"] == "the payments that the provider takes"
    assert after["Wait of the last ticket"] == "less than a minute"
    assert after["Seed"] == Queue.objects.get().seed
    assert before["Hash of the seed"] == after["Hash of the seed"] == Queue.objects.get().seed_hash
    assert "first 13 hexadecimal digits" in after["How to check a place"]
    products.pause(queued.pk)
    assert section(admin_client, queued)["State"].startswith("Paused:")
    assert "Waiting room</h2>" not in page_of(admin_client, product).content.decode()


def test_the_limit_is_set_with_the_slider_or_the_number_and_the_history_says_who(admin_client, queued):
    Product.objects.update(admission_rate_max=20)
    for page in (page_of(admin_client, queued), admin_client.get(admin_url(Product, "act", queued.pk, "limit_queue"))):
        sent = filled_in(page, holding="rate_max_slider")
        assert (sent["rate_max"], sent["rate_max_slider"]) == ("20", "7")

    # Without the script: the one that was moved counts, and the number if both were.
    moved = [
        {"rate_max_slider": "0"}, {"rate_max": "42"}, {"rate_max": "43", "rate_max_slider": "3"},
        {"rate_max_slider": "23"}, {"rate_max": ""}, {"rate_max_slider": "22"}, {"rate_max_slider": "x"},
    ]  # fmt: skip
    forms = [RateForm(sent | given) for given in moved]
    assert all(form.is_valid() for form in forms)
    assert [form.cleaned_data["rate_max"] for form in forms] == [1, 42, 43, None, None, 10_000, 20]

    answer = admin_client.post(
        admin_url(Product, "act", queued.pk, "limit_queue"), sent | {"rate_max_slider": "4"}, follow=True
    )

    assert answer.redirect_chain == [(admin_url(Product, "change", queued.pk), 302)]
    queued.refresh_from_db()
    assert queued.admission_rate_max == 7
    last = LogEntry.objects.order_by("-pk")[0]
    assert str(last.change_message) == "Limit the queue. The queue of Widget admits at most 7 buyers a second."
    history = page_of(admin_client, queued).context["history"]
    assert [entry.by for entry in history if entry.text.endswith("20 → 7")] == ["admin"]


def test_a_limit_that_cannot_be_is_refused_and_the_form_acts_once(admin_client, queued):
    url = admin_url(Product, "act", queued.pk, "limit_queue")
    fields = filled_in(page_of(admin_client, queued), holding="rate_max_slider")

    for number in ("0", "1000001", "-1", "x", "9" * 5_000, "1e9"):
        refused = admin_client.post(url, fields | {"rate_max": number})
        assert refused.context["form"].errors.keys() == {"rate_max"}, number
    queued.refresh_from_db()
    assert queued.admission_rate_max is None

    admin_client.post(url, fields | {"rate_max": "5"})
    products.limit_admission(queued.pk, rate_max=9)
    again = admin_client.post(url, fields | {"rate_max": "5"}, follow=True)

    assert messages_of(again)[-1:] == ["Already done: The queue of Widget admits at most 5 buyers a second."]
    queued.refresh_from_db()
    assert queued.admission_rate_max == 9


def test_no_limit_and_no_pause_moves_a_place(api, admin_client, queued):
    ticket = join(api, queued).json()["ticket"]
    serving(queued)
    place = join(api, queued, ticket).json()["place"]

    products.limit_admission(queued.pk, rate_max=3)
    products.pause(queued.pk)
    products.resume(queued.pk)

    assert join(api, queued, ticket).json()["place"] == place
    assert Queue.objects.get().serving == 0.4


def test_staff_who_may_only_view_see_the_queue_without_the_form(client, queued, roles, django_user_model):
    person = django_user_model.objects.create_user("bob", is_staff=True)
    person.groups.add(Group.objects.get(name="viewer"))
    client.force_login(person)

    page = page_of(client, queued)

    assert page.context["queue_figures"]
    assert "rate_max" not in page.content.decode()
    assert client.post(admin_url(Product, "act", queued.pk, "limit_queue"), {"confirmed": "yes"}).status_code == 403


def test_no_page_shows_a_seed_before_the_draw(admin_client, api, queued):
    products.limit_admission(queued.pk, rate_max=5)
    seed = Queue.objects.get().seed
    assert len(seed) == 64
    chosen = {"action": "export_csv", "_selected_action": queued.pk}

    pages = [
        page_of(admin_client, queued),
        admin_client.get(admin_url(Product, "history", queued.pk)),
        admin_client.get(admin_url(Product, "act", queued.pk, "limit_queue")),
        admin_client.get(admin_url(Product, "changelist"), {"q": "Widget"}),
        admin_client.get("/admin/"),
        admin_client.get("/admin/live/"),
        admin_client.get("/metrics"),
        api.get(f"/api/v1/products/{queued.pk}/queue"),
        api.get(f"/api/v1/products/{queued.pk}"),
    ]
    export = admin_client.post(admin_url(Product, "changelist"), chosen)

    texts = [*(page.content.decode() for page in pages), b"".join(export).decode()]
    assert {page.status_code for page in pages} == {200}
    assert [text for text in texts if seed in text] == []
    assert "Nothing found" in admin_client.get("/admin/search/", {"s": seed}).content.decode()
    start_sale(queued)
    assert seed in page_of(admin_client, queued).content.decode()


def test_the_first_page_shows_queues_beside_the_stock(admin_client, queued, monkeypatch):
    monkeypatch.setattr(dashboard, "CACHE_SECONDS", 0)
    cache.clear()
    assert "1,000 waiting in its queue" in admin_client.get("/admin/").content.decode()

    serving(queued)

    [sale] = admin_client.get("/admin/").context["sales"]
    assert sale["queue"] == ["600 waiting", "20 tickets a second", "wait of the last: less than a minute"]
