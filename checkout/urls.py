from django.urls import re_path

from checkout import backoffice
from checkout.views import HoldViewSet, OrderViewSet

urlpatterns = [
    re_path(r"^holds/?$", HoldViewSet.as_view({"post": "create"}), name="hold-list"),
    re_path(
        r"^holds/(?P<pk>[^/]+)/?$", HoldViewSet.as_view({"get": "retrieve", "delete": "destroy"}), name="hold-detail"
    ),
    re_path(r"^orders/?$", OrderViewSet.as_view({"post": "create"}), name="order-list"),
    re_path(r"^orders/(?P<pk>[^/]+)/?$", OrderViewSet.as_view({"get": "retrieve"}), name="order-detail"),
    re_path(r"^orders/(?P<pk>[^/]+)/cancel/?$", OrderViewSet.as_view({"post": "cancel"}), name="order-cancel"),
    re_path(r"^backoffice/orders/?$", backoffice.OrderViewSet.as_view({"get": "list"}), name="backoffice-orders"),
    re_path(
        r"^backoffice/orders/(?P<pk>[^/]+)/cancel/?$",
        backoffice.OrderViewSet.as_view({"post": "cancel"}),
        name="backoffice-order-cancel",
    ),
    re_path(
        r"^backoffice/products/(?P<pk>[^/]+)/statistics/?$",
        backoffice.StatisticsViewSet.as_view({"get": "retrieve"}),
        name="backoffice-statistics",
    ),
]
