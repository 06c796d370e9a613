"""Which operations stand in which document: drf-spectacular's generator, for one of the two APIs."""

from drf_spectacular.generators import SchemaGenerator

from flashsale.core.backoffice.views import BackofficeViewSet


class DocumentGenerator(SchemaGenerator):
    """Generates the document of the storefront, or that of the back office."""

    def __init__(self, *, is_backoffice: bool = False) -> None:
        super().__init__()
        self.is_backoffice = is_backoffice

    def _get_paths_and_endpoints(self) -> list[tuple]:
        endpoints = super()._get_paths_and_endpoints()
        return [one for one in endpoints if isinstance(one[3], BackofficeViewSet) == self.is_backoffice]
