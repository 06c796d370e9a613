from django.urls import re_path

from catalog.views import ProductViewSet

urlpatterns = [
    re_path(r"^products/?$", ProductViewSet.as_view({"get": "list"}), name="product-list"),
    re_path(r"^products/(?P<pk>[^/]+)/?$", ProductViewSet.as_view({"get": "retrieve"}), name="product-detail"),
]
