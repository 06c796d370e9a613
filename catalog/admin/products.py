"""The products' list, and the page of a product."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from catalog import availability, products, sale_figures, versions
from catalog.admin import history, wording
from catalog.admin.adjusting import AdjustingAdmin
from catalog.admin.admission import AdmittingAdmin, RateForm
from catalog.admin.filters import StatusFilter
from catalog.admin.forms import NewProductForm, ProductForm
from catalog.imports.page import ProductImportMixin
from catalog.models import Product
from catalog.queue_columns import Queue
from flashsale.core import money
from flashsale.core.staff.columns import label_column, money_column
from flashsale.core.staff.confirmed_actions import OptionalNoteForm
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import page_of
from flashsale.core.staff.model_admin import staff_of
from flashsale.core.submissions import once

PRICE_AND_LIMITS = ("price", "currency", "max_per_hold", "max_per_customer")
WINDOW = ("sale_starts_at", "sale_ends_at")
WAITING_ROOM = ("queue", "queue_opens_at", "admission_rate_max")
FIELDSETS = [
    ("What is sold", {"fields": ("name", "sku", "description", "image_url")}),
    ("Price and limits", {"fields": PRICE_AND_LIMITS}),
    ("When it is sold", {"fields": WINDOW}),
    ("Waiting room", {"fields": WAITING_ROOM}),
]

STATUS = label_column(
    "status",
    {key: colour for key, (_, colour) in wording.STATUSES.items()},
    lambda row: wording.label_of(availability.view_of(row)),
)


@admin.register(Product)
class ProductAdmin(ProductImportMixin, AdjustingAdmin, AdmittingAdmin):
    form = ProductForm
    change_form_before_template = "catalog/product_form.html"
    change_form_outer_after_template = "catalog/product_page.html"
    list_display = ("id", "name", STATUS, money_column("price"), "units", "window")
    list_display_links = ("id", "name")
    list_filter = (StatusFilter, "currency", ("sale_starts_at", TimeRange))
    list_filter_submit = True
    when_empty = "Products appear here when they are added one by one, or imported from a CSV file."
    search_fields = ("=id", "sku", "name")
    search_help_text = "Product id, SKU or name"
    actions = ("publish", "withdraw", "pause", "resume", "adjust_stock", "limit_queue", "export_csv")
    page_actions = ("publish", "pause", "resume", "adjust_stock", "withdraw", "limit_queue")
    export = Export(
        {
            "id": "id", "name": "name", "SKU": "sku", "price": "price", "currency": "currency",
            "published": "is_published", "total": "stock.total", "reserved": "stock.reserved", "sold": "stock.sold",
            "sale_starts_at": "sale_starts_at", "sale_ends_at": "sale_ends_at", "paused_at": "paused_at",
            "queue": "queue", "queue_opens_at": "queue_opens_at", "admission_rate_max": "admission_rate_max",
            "max_per_hold": "max_per_hold", "max_per_customer": "max_per_customer", "description": "description",
            "image_url": "image_url", "created_at": "created_at", "updated_at": "updated_at",
        }
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = availability.annotate(super().get_queryset(request))
        return rows.annotate(version_number=versions.newest_number())

    @admin.display(description="available / reserved / sold")
    def units(self, row: Any) -> SafeString:
        return format_html('<span class="cell-line">{}</span>', wording.unit_numbers(availability.view_of(row)))

    @admin.display(description="on sale", ordering="sale_starts_at")
    def window(self, row: Product) -> SafeString:
        return format_html_join(mark_safe("<br>"), '<span class="cell-line">{}</span>', wording.window_of(row))

    @admin.display(description="Price")
    def price_shown(self, row: Product) -> str:
        return money.written(row.price, row.currency)

    def status_line(self, row: Any) -> str:
        return wording.state_of(availability.view_of(row))

    def is_offered(self, action: str, row: Product) -> bool:
        offered = {
            "publish": not row.is_published, "withdraw": row.is_published,
            "pause": row.paused_at is None, "resume": row.paused_at is not None,
            "limit_queue": row.queue == Queue.ON,
        }  # fmt: skip
        return offered.get(action, True)

    @admin.action(description="Publish", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "publish", products.publish)

    @admin.action(description="Withdraw (unpublish)", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "withdraw", products.withdraw)

    @admin.action(description="Pause the sale", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "pause", products.pause)

    @admin.action(description="Resume the sale", permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "resume", products.resume)

    def _edit(
        self, request: HttpRequest, queryset: QuerySet[Product], action: str, verb: Callable[[int], Product]
    ) -> TemplateResponse | None:
        outcome, effect = wording.ACTIONS[action]

        def edit(product: Product, *, note: str) -> Product:
            return verb(product.pk)

        def describe(_: Product, result: Product) -> str:
            return f"{result} {outcome}."

        return self.confirm_and_run(
            request,
            queryset,
            action=action,
            verb=edit,
            describe=describe,
            form_class=OptionalNoteForm,
            effect=lambda row: effect(availability.view_of(row)),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        product = cast("Any", self.get_object(request, object_id))
        page: dict[str, Any] = {}
        if product:
            figures = sale_figures.figures_of(availability.view_of(product), staff_of(request))
            page = {"history": history.of_product(product), "figures": figures, "product": product}
            page |= self._queue_section(request, product)
        return super().change_view(request, object_id, form_url, (extra_context or {}) | page)

    def _queue_section(self, request: HttpRequest, product: Any) -> dict[str, Any]:
        """Return what the page tells of the product's queue, and the form that limits it."""
        figures = sale_figures.queue_figures_of(availability.view_of(product))
        if not figures or not self.has_change_permission(request, product):
            return {"queue_figures": figures}
        form = RateForm(initial={"rate_max": product.admission_rate_max})
        url = reverse("admin:catalog_product_act", args=[product.pk, "limit_queue"])
        token = once.token_of(request.POST)
        return {"queue_figures": figures, "rate_form": form, "rate_url": url, "rate_token": token}

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.pause_product")

    def get_form(
        self, request: HttpRequest, obj: Product | None = None, change: bool = False, **kwargs: Any
    ) -> "type[forms.ModelForm[Product]]":
        if obj is None:
            kwargs["form"] = NewProductForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Product | None = None) -> Any:
        """Return the form's parts; staff who may only view see the price as an amount with its currency."""
        if obj is None:
            return [*FIELDSETS[:1], ("Stock", {"fields": ("opening_stock",)}), *FIELDSETS[1:]]
        if self.has_change_permission(request, obj):
            return FIELDSETS
        return [FIELDSETS[0], (FIELDSETS[1][0], {"fields": ("price_shown", *PRICE_AND_LIMITS[2:])}), *FIELDSETS[2:]]

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> tuple[str, ...]:
        return () if self.has_change_permission(request, obj) else ("price_shown",)

    def save_model(self, request: HttpRequest, obj: Product, form: "forms.ModelForm[Product]", change: bool) -> None:
        if change:
            products.save_edited(obj, columns=form.changed_data)
        else:
            products.insert(obj, units=form.cleaned_data["opening_stock"], made_by=staff_of(request))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Say that the product is not published yet, and what publishing it will do, with a button for it."""
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        once.store_outcome(obj)
        view = availability.view_of(self.get_queryset(request).get(pk=obj.pk))
        publish = reverse("admin:catalog_product_act", args=[obj.pk, "publish"])
        button = format_html('<br><a class="page-button" href="{}">Publish</a>', publish)
        effect = wording.effect_of_publishing(view)
        said = format_html(
            "{} (id {}) was added. It is not published: buyers do not see it. Publish it, and {}{}",
            obj, obj.pk, effect[0].lower() + effect[1:], button if self.has_change_permission(request, obj) else "",
        )  # fmt: skip
        self.message_user(request, said, messages.WARNING)
        again = reverse("admin:catalog_product_add")
        return redirect(again if "_addanother" in request.POST else page_of(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return False
