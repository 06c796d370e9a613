from django.apps import AppConfig


class SubmissionsConfig(AppConfig):
    name = "flashsale.core.submissions"
