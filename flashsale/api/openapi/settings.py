"""How drf-spectacular makes the OpenAPI document and its page."""

DESCRIPTION = """\
Sells a limited stock to a crowd and never oversells: products, holds, orders, payment webhooks.

[Problem codes](/problems/) explain every error. This page as an [OpenAPI document](/api/v1/schema), for tools. A guide
with examples in Python, JavaScript and curl is `docs/api.md` of the source.\
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
    "PREPROCESSING_HOOKS": ["flashsale.api.openapi.document.versioned_endpoints"],
    "POSTPROCESSING_HOOKS": ["flashsale.api.openapi.document.finish_document"],
    "SERVERS": [{"url": "/", "description": "This shop"}],
    "EXTERNAL_DOCS": {"url": "/problems/", "description": "Problem codes"},
}
