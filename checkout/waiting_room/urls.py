from django.urls import re_path

from checkout.waiting_room.views import QueueViewSet

urlpatterns = [
    re_path(
        r"^products/(?P<pk>[^/]+)/queue/?$", QueueViewSet.as_view({"get": "retrieve", "post": "create"}), name="queue"
    ),
]
