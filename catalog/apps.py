from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        from catalog import event_data, stock_announcements
        from flashsale.outbox import numbering, resources

        resources.register(event_data.PRODUCTS)
        numbering.register_observer(stock_announcements.announce)
