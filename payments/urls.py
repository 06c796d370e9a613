from django.urls import re_path

from payments.views import WebhookView

urlpatterns = [
    re_path(r"^payments/webhook/?$", WebhookView.as_view(), name="webhook"),
    re_path(r"^payments/webhooks/(?P<provider>[^/]+)/?$", WebhookView.as_view(), name="webhook-of-provider"),
]
