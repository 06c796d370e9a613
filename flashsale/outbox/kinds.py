"""The types of events. They only ever gain members."""

from django.db import models


class EventType(models.TextChoices):
    ORDER_PLACED = "order.placed", "an order was placed"
    ORDER_PAID = "order.paid", "an order is paid; `late`: after its payment window"
    ORDER_CANCELLED = "order.cancelled", "an order was cancelled"
    ORDER_EXPIRED = "order.expired", "an order's payment window ended, and its units are on sale again"
    REFUND_DUE = "refund.due", "money has to go back"
    REFUND_DONE = "refund.done", "money went back"
    REFUND_FAILED = "refund.failed", "money that went back did not arrive, or a provider refuses to send it"
    PAYMENT_NEEDS_REVIEW = "payment.needs_review", "money arrived that staff have to decide about"
    PAYMENT_DISPUTED = "payment.disputed", "a buyer disputes a payment, or the dispute has changed"
    PRODUCT_PUBLISHED = "product.published", "customers can see a product"
    PRODUCT_WITHDRAWN = "product.withdrawn", "customers can no longer see a product"
    PRODUCT_PAUSED = "product.paused", "a product takes no new holds"
    PRODUCT_RESUMED = "product.resumed", "a paused product takes holds again"
    PRODUCT_CHANGED = "product.changed", "staff or the back end edited a product"
    PRODUCT_SOLD_OUT = "product.sold_out", "no unit of a product can be held"
    PRODUCT_BACK_IN_STOCK = "product.back_in_stock", "units of a sold out product can be held again"
    STOCK_ADJUSTED = "stock.adjusted", "the total of a product's stock was changed"
