"""DATABASE_URL names several servers: connections go to the one that takes writes, also after a promotion."""

import pytest
from django.db import InternalError, connection, transaction

from catalog.models import Stock
from catalog.tests.factories import ProductFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(pair, use, monkeypatch):
    """A process that knows both servers, the standby first."""
    primary, standby = pair
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "target_session_attrs", "read-write")
    use(standby, primary)
    yield
    connection.close()


def test_the_shop_follows_the_primary_and_the_old_one_answers_no_write(pair, shop):
    primary, standby = pair
    product = ProductFactory()
    first = connection.connection.info.port
    primary.stop()
    standby.promote()
    primary.follow(standby)
    primary.start()

    connection.close()
    Stock.objects.filter(pk=product.pk).update(total=20)
    second = connection.connection.info.port
    connection.settings_dict["OPTIONS"]["target_session_attrs"] = "any"
    connection.settings_dict["HOST"], connection.settings_dict["PORT"] = "127.0.0.1", str(primary.port)
    connection.close()
    with pytest.raises(InternalError, match="read-only"), transaction.atomic():
        Stock.objects.filter(pk=product.pk).update(total=30)

    assert (first, second) == (primary.port, standby.port)
    assert standby.sql("SELECT total FROM catalog_stock") == 20
