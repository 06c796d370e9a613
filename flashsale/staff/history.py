"""Who changed what: database triggers keep every version of a product, and this says who was at work."""

from pghistory.middleware import HistoryMiddleware


class AdminHistoryMiddleware(HistoryMiddleware):
    """Middleware: name the member of staff with every change made in the admin; the API's requests do without."""

    def __call__(self, request):
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        return super().__call__(request)
