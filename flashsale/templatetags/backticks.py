"""`{{ text|backticks }}`: what stands between backticks is code."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def backticks(text: str) -> SafeString:
    """Turn `...` into code elements; everything is escaped."""
    parts = enumerate(text.split("`"))
    return format_html_join("", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in parts))
