"""The member of staff behind each version of a product; the versions themselves are kept by database triggers."""

from django.http import HttpRequest, HttpResponse
from pghistory.middleware import HistoryMiddleware


class AdminHistoryMiddleware(HistoryMiddleware):
    """Middleware: record the member of staff with every change made in the admin; requests of the API skip it."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        return super().__call__(request)
