"""The shop, and under `/bench` what it is compared with."""

from django.urls import path

from benchmarks import ordinary
from flashsale import urls as shop

handler400, handler403, handler404, handler500 = shop.handler400, shop.handler403, shop.handler404, shop.handler500

urlpatterns = [
    path("bench/holds", ordinary.Holds.as_view({"post": "create"})),
    path("bench/orders", ordinary.Orders.as_view({"post": "create"})),
    path("bench/webhook", ordinary.Webhook.as_view({"post": "create"})),
    path("bench/constant", ordinary.Constant.as_view({"get": "retrieve", "post": "create"})),
    *shop.urlpatterns,
]
