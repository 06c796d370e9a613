from django.urls import re_path

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
]
