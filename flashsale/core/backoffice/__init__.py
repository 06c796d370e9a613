"""What every view of the back office API has in common: `/api/v1/backoffice`, events and webhook endpoints.

A new view set derives from `views.BackofficeViewSet` and declares by action

- `required_scopes`: the scope that a token needs (a test fails without one),
- `parameters`: its query parameters (`parameters`; lists take `newest_first.PARAMETERS` too); any other one is refused,
- `optional_keys`: the POST actions whose Idempotency-Key is optional; all others require it.

Its handlers run in a worker thread and may use the database. They read the query from `self.query` and bodies by a
`ClosedRequestSerializer`. They answer by `json_response`, lists by `newest_first.page`, changes by `self.change`, which
calls one verb (`retrying_transaction_once`) and makes answer and history in the verb's transaction. URLs stand in the
app's `urls.py`, descriptions in `flashsale.api.openapi.backoffice`.
"""
