from django.urls import re_path

from payments import backoffice
from payments.views import OrderPaymentViewSet, WebhookView

urlpatterns = [
    re_path(r"^payments/webhook/?$", WebhookView.as_view(), name="webhook"),
    re_path(r"^payments/webhooks/(?P<provider>[^/]+)/?$", WebhookView.as_view(), name="webhook-of-provider"),
    re_path(r"^orders/(?P<pk>[^/]+)/payment/?$", OrderPaymentViewSet.as_view({"post": "create"}), name="order-payment"),
    re_path(
        r"^orders/(?P<pk>[^/]+)/payment/check/?$",
        OrderPaymentViewSet.as_view({"post": "check"}),
        name="order-payment-check",
    ),
    re_path(
        r"^backoffice/orders/(?P<pk>[^/]+)/?$",
        backoffice.OrderViewSet.as_view({"get": "retrieve"}),
        name="backoffice-order",
    ),
    re_path(
        r"^backoffice/orders/(?P<pk>[^/]+)/refunds/?$",
        backoffice.OrderViewSet.as_view({"post": "refund"}),
        name="backoffice-order-refunds",
    ),
    re_path(r"^backoffice/payments/?$", backoffice.PaymentViewSet.as_view({"get": "list"}), name="backoffice-payments"),
    re_path(
        r"^backoffice/payments/(?P<pk>[^/]+)/?$",
        backoffice.PaymentViewSet.as_view({"get": "retrieve"}),
        name="backoffice-payment",
    ),
]
