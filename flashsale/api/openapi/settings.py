"""How drf-spectacular makes the OpenAPI document and its page."""

DESCRIPTION = """\
Sells a limited stock to a crowd and never oversells: products, holds, orders, payment webhooks.

[Problem codes](/problems/) explain every error. This page as an [OpenAPI document](/api/v1/schema), for tools. A guide
with examples in Python, JavaScript and curl is `docs/api.md` of the source. The shop's own systems use the
[back office API](/api/v1/backoffice/docs).\
"""
BACKOFFICE_TITLE = "Flash-sale back office"
BACKOFFICE_DESCRIPTION = """\
What the shop's own systems read and do: orders, payments, products, stock, events. For API tokens only, each call with
the scope that it names; lists are newest first, and every POST has an `Idempotency-Key`, whose answer is kept for 30
days.

[Problem codes](/problems/) explain every error. This page as an [OpenAPI document](/api/v1/backoffice/schema), for
tools, which also describes the webhook of each type of events. A guide with examples in Python and JavaScript is
`docs/backend.md` of the source. Buyers' clients use the [storefront API](/api/v1/docs).\
"""
SPECTACULAR_SETTINGS = {
    "TITLE": "Flash-sale checkout",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SORT_OPERATIONS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None, "displayRequestDuration": True},
    "DEFAULT_GENERATOR_CLASS": "flashsale.api.openapi.generator.DocumentGenerator",
    "PREPROCESSING_HOOKS": ["flashsale.api.openapi.document.versioned_endpoints"],
    "POSTPROCESSING_HOOKS": ["flashsale.api.openapi.document.finish_document"],
    "SERVERS": [{"url": "/", "description": "This shop"}],
    "EXTERNAL_DOCS": {"url": "/problems/", "description": "Problem codes"},
}
