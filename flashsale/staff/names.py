"""What the admin calls models and apps: the words of the people who use it instead of those of the packages.

Only names on pages change. Migrations, permissions and URLs keep the packages' own: Django's migrations read a model's
options as they were declared.
"""

from django.apps import apps

SALE, ORDERS, MONEY, BACK_END, STAFF, SYSTEM = "Sale", "Orders", "Money", "Back end", "Staff", "System"

# The parts of the menu, with the apps whose models they hold.
APPS = {
    "catalog": SALE,
    "checkout": ORDERS,
    "payments": MONEY,
    "outbox": BACK_END,
    "auth": STAFF,
    "rest_framework_api_key": STAFF,
    "otp_totp": STAFF,
    "flashsale": STAFF,
    "admin": SYSTEM,
    "django_celery_beat": SYSTEM,
}
MODELS = {
    "outbox.Endpoint": ("webhook endpoint", "webhook endpoints"),
    "outbox.Delivery": ("delivery", "deliveries"),
    "outbox.Event": ("shop event", "shop events"),
    "auth.User": ("account", "accounts"),
    "auth.Group": ("role", "roles"),
    "rest_framework_api_key.APIKey": ("API token", "API tokens"),
    "otp_totp.TOTPDevice": ("two-factor device", "two-factor devices"),
    "admin.LogEntry": ("staff activity", "staff activity"),
    "django_celery_beat.PeriodicTask": ("scheduled task", "schedule"),
    "django_celery_beat.IntervalSchedule": ("interval", "intervals"),
    "django_celery_beat.CrontabSchedule": ("time of day", "times of day"),
}


def rename() -> None:
    """Give the models and apps their names on pages; called once, when all apps are loaded."""
    for label, name in APPS.items():
        apps.get_app_config(label).verbose_name = name
    for label, (one, several) in MODELS.items():
        options = apps.get_model(label)._meta
        options.verbose_name, options.verbose_name_plural = one, several
