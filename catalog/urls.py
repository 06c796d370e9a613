from django.urls import re_path

from catalog import backoffice
from catalog.products import Change
from catalog.views import ProductViewSet

urlpatterns = [
    re_path(r"^products/?$", ProductViewSet.as_view({"get": "list"}), name="product-list"),
    re_path(r"^products/(?P<pk>[^/]+)/?$", ProductViewSet.as_view({"get": "retrieve"}), name="product-detail"),
    re_path(
        r"^backoffice/products/?$",
        backoffice.ProductViewSet.as_view({"get": "list", "post": "create"}),
        name="backoffice-products",
    ),
    re_path(
        r"^backoffice/products/(?P<pk>[^/]+)/?$",
        backoffice.ProductViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="backoffice-product",
    ),
    *(
        re_path(
            rf"^backoffice/products/(?P<pk>[^/]+)/{change}/?$",
            backoffice.ProductViewSet.as_view({"post": change}),
            name=f"backoffice-product-{change}",
        )
        for change in Change
    ),
    re_path(
        r"^backoffice/products/(?P<pk>[^/]+)/stock-adjustments/?$",
        backoffice.StockAdjustmentViewSet.as_view({"post": "create"}),
        name="backoffice-stock-adjustments",
    ),
]
