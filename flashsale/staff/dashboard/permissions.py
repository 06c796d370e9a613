"""Which permissions each part of the first page needs: those to view the models that it is counted from."""

VIEW_PRODUCT, VIEW_STOCK = "catalog.view_product", "catalog.view_stock"
PAUSE_PRODUCT = "catalog.pause_product"
VIEW_HOLD, VIEW_ORDER = "checkout.view_hold", "checkout.view_order"
VIEW_EVENT, VIEW_PAYMENT = "payments.view_webhookevent", "payments.view_payment"
VIEW_DISPUTE = "payments.view_dispute"
VIEW_ENDPOINT = "outbox.view_endpoint"
VIEW_SCHEDULE = "django_celery_beat.view_periodictask"
PERMISSIONS_OF_PART = {
    "sales": (VIEW_PRODUCT, VIEW_STOCK), "more_sales": (VIEW_PRODUCT, VIEW_STOCK), "next_sale": (VIEW_PRODUCT,),
    "money": (VIEW_PAYMENT,),
}  # fmt: skip
PERMISSIONS_OF_SERIES = {
    "holds": VIEW_HOLD, "orders": VIEW_ORDER, "payments": VIEW_PAYMENT, "refusals": VIEW_HOLD,
}  # fmt: skip
