"""Holds and orders for staff: to look at. What changes them are the domain's verbs."""

from django.contrib import admin

from checkout.models import Hold, Order
from flashsale.core.admin import ReadOnlyAdmin, money_column


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("id", "product", "quantity", "customer_id", "status", "expires_at", "created_at")
    list_filter = ("status", "product")
    list_select_related = ("product",)
    search_fields = ("id", "customer_id")
    ordering = ("-created_at",)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("id", "product", "quantity", money_column("total_amount"), "status", "refund", "created_at")
    list_filter = ("status", "refund", "product")
    list_select_related = ("product",)
    search_fields = ("id", "customer_id", "payment_id")
    ordering = ("-created_at",)
