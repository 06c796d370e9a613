from django.urls import re_path

from checkout.views import HoldViewSet, OrderViewSet

urlpatterns = [
    re_path(r"^holds/?$", HoldViewSet.as_view({"post": "create"}), name="hold-list"),
    re_path(
        r"^holds/(?P<pk>[^/]+)/?$", HoldViewSet.as_view({"get": "retrieve", "delete": "destroy"}), name="hold-detail"
    ),
    re_path(r"^orders/?$", OrderViewSet.as_view({"post": "create"}), name="order-list"),
    re_path(r"^orders/(?P<pk>[^/]+)/?$", OrderViewSet.as_view({"get": "retrieve"}), name="order-detail"),
    re_path(r"^orders/(?P<pk>[^/]+)/cancel/?$", OrderViewSet.as_view({"post": "cancel"}), name="order-cancel"),
]
