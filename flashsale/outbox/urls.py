from django.urls import re_path

from flashsale.outbox.backoffice.deliveries import DeliveryViewSet
from flashsale.outbox.backoffice.endpoints import EndpointViewSet
from flashsale.outbox.views import EventViewSet

_VERBS = {
    "rotate-secret": "rotate_secret", "test": "test", "enable": "enable", "disable": "disable", "replay": "replay",
}  # fmt: skip

urlpatterns = [
    re_path(r"^events/?$", EventViewSet.as_view({"get": "list"}), name="event-list"),
    re_path(r"^events/(?P<pk>[^/]+)/?$", EventViewSet.as_view({"get": "retrieve"}), name="event-detail"),
    re_path(
        r"^webhook-endpoints/?$",
        EndpointViewSet.as_view({"get": "list", "post": "create"}),
        name="webhook-endpoints",
    ),
    re_path(
        r"^webhook-endpoints/(?P<pk>[^/]+)/?$",
        EndpointViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="webhook-endpoint",
    ),
    *(
        re_path(
            rf"^webhook-endpoints/(?P<pk>[^/]+)/{path}/?$",
            EndpointViewSet.as_view({"post": action}),
            name=f"webhook-endpoint-{path}",
        )
        for path, action in _VERBS.items()
    ),
    re_path(
        r"^webhook-endpoints/(?P<pk>[^/]+)/deliveries/?$",
        DeliveryViewSet.as_view({"get": "list"}),
        name="webhook-deliveries",
    ),
    re_path(
        r"^webhook-endpoints/(?P<pk>[^/]+)/deliveries/(?P<delivery>[^/]+)/retry/?$",
        DeliveryViewSet.as_view({"post": "retry"}),
        name="webhook-delivery-retry",
    ),
]
