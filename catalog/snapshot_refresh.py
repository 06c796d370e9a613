"""Rebuilds snapshots from PostgreSQL, rendered by the API's serializers: domain modules must not import it."""

from catalog import availability, snapshots
from catalog.models import Product
from catalog.serializers import ProductOut
from catalog.snapshots import Snapshot
from flashsale.core import greenlets
from flashsale.core.batching import Admit, Batcher
from flashsale.core.refusals import NotFound

BATCH_ROWS = 100
NO_SUCH_PRODUCT = "There is no such product."


def read_product(product_id: int) -> Snapshot:
    """Return the answer for a published product as of the last commit. Raises `NotFound`.

    Without a copy in this process, one of the concurrent callers asks Valkey, then PostgreSQL, for all of them.
    """
    return snapshots.get_copy(product_id) or product_single_flight.submit(product_id, None)


@greenlets.offloaded
def refresh_product(product_id: int) -> Snapshot | None:
    """Store and return a fresh answer for one published product; None when there is no such product."""
    started = snapshots.start_read()
    forecasts = availability.read_forecasts(Product.objects.published().filter(pk=product_id))
    if not forecasts:
        return None
    snapshot = Snapshot.of(forecasts[0], ProductOut.data_of(forecasts[0].view), read_started=started.at)
    snapshots.store(product_id, snapshot, started=started)
    return snapshot


def refresh_availability() -> int:
    """Store a fresh answer for every published product; return how many there are.

    Raises `RedisUnavailable` when Redis does not answer, also when there is no product to store.
    """
    if not snapshots.is_reachable():
        raise snapshots.RedisUnavailable
    refreshed = 0
    last_id = 0
    while True:
        started = snapshots.start_read()
        products = Product.objects.published().filter(pk__gt=last_id).order_by("pk")[:BATCH_ROWS]
        forecasts = availability.read_forecasts(products)
        if not forecasts:
            return refreshed
        for forecast in forecasts:
            product_id = forecast.view.product.pk
            snapshot = Snapshot.of(forecast, ProductOut.data_of(forecast.view), read_started=started.at)
            if not snapshots.store(product_id, snapshot, started=started):
                raise snapshots.RedisUnavailable
        refreshed += len(forecasts)
        last_id = forecasts[-1].view.product.pk


def _read_shared(product_id: int, requests: list[None], admit: Admit[None]) -> list[Snapshot | Exception]:
    """Read a product once for all concurrent requests, which may have waited while another one read it."""
    snapshot = (
        snapshots.get_copy(product_id)
        or snapshots.look_up(product_id, readers=len(requests))
        or refresh_product(product_id)
    )
    if snapshot is None:
        return [NotFound(NO_SUCH_PRODUCT) for _ in requests]
    return [snapshot] * len(requests)


product_single_flight: Batcher[int, None, Snapshot] = Batcher(_read_shared)
