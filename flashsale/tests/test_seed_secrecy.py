"""Before the draw a seed is in its row alone: in no answer, page, file, log, metric or event, and in no statement."""

import contextlib
import tempfile
from collections.abc import Iterator

import pytest
from django.contrib.admin import site
from django.db import connection
from django.urls import reverse

from checkout.tests.support.queues import hold_with, join, queue_of, queued_product, start_sale
from checkout.waiting_room.models import Queue
from checkout.waiting_room.queues import copies
from checkout.waiting_room.running import runner
from flashsale.outbox.models import Event
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.backoffice import BackofficeClient
from flashsale.tests.support.log_lines import logged

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def traced(texts: list[str]) -> Iterator[None]:
    """Keep all that this thread's connection sends and receives."""
    connection.ensure_connection()
    with tempfile.TemporaryFile("w+") as trace:
        pgconn = connection.connection.pgconn
        pgconn.trace(trace.fileno())
        try:
            yield
        finally:
            pgconn.untrace()
        trace.seek(0)
        texts.append(trace.read())


def use(api, product) -> list[str]:
    """Do all that happens before the start, and return the answers."""
    answers = [join(api, product), api.get(f"/api/v1/products/{product.pk}/queue"), hold_with(api, product, None)]
    runner.work()
    return [answer.content.decode() for answer in answers]


def pages_of(product) -> list[str]:
    """Return the staff's pages that could show a queue: lists, searches, exports, and the pages of the product."""
    models = [model for model in site._registry if model.__module__.startswith(("catalog.", "checkout."))]
    lists = [admin_url(model, "changelist") for model in models]
    exports = [admin_url(model, "export") for model in models if getattr(site.get_model_admin(model), "export", None)]
    own = [admin_url(type(product), page, product.pk) for page in ("change", "history", "delete")]
    found = f"{admin_url(type(product), 'changelist')}?q={product.name}"
    return [reverse("admin:index"), *lists, found, *exports, *own]


def text_of(response) -> str:
    body = response.streaming_content if response.streaming else [response.content]
    return b"".join(body).decode()


def test_the_seed_is_nowhere_before_the_draw(api, admin_client, settings):
    settings.METRICS_TOKEN = ""
    product, texts = queued_product(name="Widget"), []
    copies.reset()

    with logged() as lines, traced(texts):
        texts += use(api, product)
    seed = Queue.objects.values_list("seed", flat=True).get(pk=product.pk)
    texts += [text_of(admin_client.get(path, follow=True)) for path in pages_of(product)]
    texts += [text_of(api.get(path)) for path in ("/metrics", "/api/v1/products", f"/api/v1/products/{product.pk}")]
    back_office = BackofficeClient()
    paths = ("/products", f"/products/{product.pk}", f"/products/{product.pk}/history", "/api/v1/events")
    texts += [text_of(back_office.get(path)) for path in paths]
    texts += lines.texts + [str(event) for event in Event.objects.values_list("body", flat=True)]

    assert len(seed) == 64
    assert not [text[:200] for text in texts if seed in text]
    start_sale(product)
    assert queue_of(api, product)["seed"] == seed


def test_control_what_is_shown_after_the_draw_is_found(api):
    product, texts = queued_product(), []
    use(api, product)
    start_sale(product)

    with traced(texts):
        shown = queue_of(api, product)["seed"]

    assert shown in texts[0]
