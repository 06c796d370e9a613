"""What the admin's first page shows of the sales, without a browser."""

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory
from flashsale import dashboard


def test_the_busiest_sales_come_first_and_the_others_are_counted(db, admin_client, monkeypatch):
    monkeypatch.setattr(dashboard, "KEPT_SECONDS", 0)
    monkeypatch.setattr(dashboard, "SALES_SHOWN", 2)
    quiet, busy, busiest, newest = (ProductFactory(name=name) for name in ("Quiet", "Busy", "Busiest", "Newest"))
    HoldFactory(product=busy)
    [HoldFactory(product=busiest) for _ in range(2)]

    page = admin_client.get("/admin/").content.decode()

    assert page.index(busiest.name) < page.index(busy.name)
    assert not {quiet.name, newest.name} & set(page.replace("<", ">").split(">"))
    assert ">2 more</a>" in page
