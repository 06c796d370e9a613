from django.urls import re_path

from flashsale.outbox.views import EventViewSet

urlpatterns = [
    re_path(r"^events/?$", EventViewSet.as_view({"get": "list"}), name="event-list"),
    re_path(r"^events/(?P<pk>[^/]+)/?$", EventViewSet.as_view({"get": "retrieve"}), name="event-detail"),
]
