"""The URL of the demo shop, or of what stands in its place."""

from django.urls import path

from flashsale.demo_shop import views

urlpatterns = [path("", views.home, name="home")]
