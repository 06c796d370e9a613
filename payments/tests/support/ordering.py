"""Orders placed through the API."""

from checkout.models import Order


def place(api, hold, *, token: str | None = None, status: int = 201, **members) -> dict:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = api.post("/api/v1/orders", {"hold_id": str(hold.pk), **members}, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


def status_of(order: dict) -> str:
    return Order.objects.get(pk=order["order_id"]).status
