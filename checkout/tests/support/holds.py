"""Holds placed and units counted through the API."""


def available(api, product) -> int:
    """Return the units that the product page offers."""
    return api.get(f"/api/v1/products/{product.pk}").json()["available_stock"]


def place(api, product, **members):
    """Ask for a hold of one unit, or as `members` say; returns the response."""
    return api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1, **members})
