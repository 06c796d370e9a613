"""The web server's application with a fault in the list of products and in the page at `/`."""

# First: it sets Django up.
from flashsale.rsgi import application  # isort: skip
from catalog.views import ProductViewSet
from flashsale.demo_shop import views as shop_views
from flashsale.tests.support.failing_task import fail

__all__ = ["application"]

ProductViewSet.list = fail
shop_views._payment = fail
