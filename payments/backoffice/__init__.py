"""What the back office reads and does about money: an order with all that belongs to it, refunds, payments."""

from payments.backoffice.views import OrderViewSet, PaymentViewSet

__all__ = ["OrderViewSet", "PaymentViewSet"]
