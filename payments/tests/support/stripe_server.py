"""A local server that speaks Stripe's refund endpoints, faults included.

It keeps what Stripe promises: an Idempotency-Key that was used before gets the first answer again for a day, a 500
included, never a second refund, and not with other parameters; what is refunded never exceeds the payment.
Source: https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/api/refunds/list and
https://docs.stripe.com/api/idempotent_requests.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

API_KEY = "sk_live_local"


class StripeServer(ThreadingHTTPServer):
    """`faults` and `list_faults` are taken one a request.

    `charges` maps a payment intent to what it charged and gave back, in minor units. `requests` and `listings`
    keep what was asked for, in order; `refunds` are those that exist.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.charges: dict[str, list[int]] = {}
        self.answers: dict[str, tuple[int, dict, dict]] = {}
        self.refunds: list[dict] = []
        self.listings: list[str] = []
        self.faults: list[str] = []
        self.list_faults: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def given_back(self, intent: str) -> int:
        """Return how many minor units of a payment were refunded."""
        return self.charges[intent][1]

    def keys(self) -> list[str]:
        """Return the Idempotency-Key of every request, in order."""
        return [key for key, _ in self.requests]

    def let_a_day_pass(self) -> None:
        """Forget every key, as Stripe may once it is a day old."""
        self.answers.clear()

    def add_refund(self, intent: str, amount: int, *, status: str = "succeeded", metadata: dict | None = None) -> dict:
        """Give back a part of a payment, in minor units; without metadata as if it was done in the dashboard."""
        if status not in {"failed", "canceled"}:
            self.charges[intent][1] += amount
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "amount": amount,
            "payment_intent": intent,
            "status": status,
            "metadata": metadata or {},
        }
        self.refunds.append(refund)
        return refund

    def handle_error(self, request, client_address) -> None:
        """A client that hung up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: StripeServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        intent = parse_qs(url.query).get("payment_intent", [""])[0]
        with self.server.lock:
            self.server.listings.append(intent)
            fault = self.server.list_faults.pop(0) if self.server.list_faults else ""
            found = [one for one in reversed(self.server.refunds) if one["payment_intent"] == intent]
        if fault == "reset":
            self.close_connection = True
        elif fault in UNREADABLE:
            self._answer(200, UNREADABLE[fault])
        elif fault:
            self._answer(*FAILED[fault])
        elif url.path != "/v1/refunds" or self.headers["Authorization"] != f"Bearer {API_KEY}":
            self._answer(401, _error("invalid_request_error", "Invalid API Key provided"))
        else:
            self._answer(200, {"object": "list", "url": "/v1/refunds", "has_more": False, "data": found})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        params = {name: values[0] for name, values in parse_qs(raw).items()}
        key = self.headers.get("Idempotency-Key", "")
        with self.server.lock:
            self.server.requests.append((key, params))
            fault = self.server.faults.pop(0) if self.server.faults else ""
        if fault == "hang":
            self.server.is_over.wait(10)
            self.close_connection = True
            return
        if self.path != "/v1/refunds" or self.headers["Authorization"] != f"Bearer {API_KEY}":
            self._answer(401, _error("invalid_request_error", "Invalid API Key provided"))
            return
        status, body = self._first_answer(key, params, fault)
        if fault == "reset":
            self.close_connection = True
            return
        self._answer(status, body)

    def _first_answer(self, key: str, params: dict[str, str], fault: str) -> tuple[int, dict]:
        if fault in NOT_EXECUTED:
            return NOT_EXECUTED[fault]
        with self.server.lock:
            if key not in self.server.answers:
                answer = FAILED[fault] if fault in FAILED else self._refund(params, fault)
                self.server.answers[key] = (*answer, params)
            status, body, first_params = self.server.answers[key]
            if params != first_params:
                return 400, _error("idempotency_error", "Keys can only be used with the same parameters")
            return status, body

    def _refund(self, params: dict[str, str], fault: str) -> tuple[int, dict]:
        charge = self.server.charges.get(params["payment_intent"])
        amount = int(params["amount"])
        if charge is None:
            return 404, _error("invalid_request_error", "No such payment_intent", code="resource_missing")
        if charge[1] == charge[0]:
            return 400, _error("invalid_request_error", "Already refunded.", code="charge_already_refunded")
        if charge[1] + amount > charge[0]:
            return 400, _error("invalid_request_error", "Refund amount is greater than unrefunded amount on charge")
        status = fault if fault in {"pending", "requires_action"} else "succeeded"
        metadata = {name[9:-1]: value for name, value in params.items() if name.startswith("metadata[")}
        refund = self.server.add_refund(params["payment_intent"], amount, status=status, metadata=metadata)
        return FAILED["server error"] if fault == DONE_AND_FAILED else (200, refund)

    def _answer(self, status: int, body: dict) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_args) -> None:
        """Quiet."""


def _error(kind: str, message: str, *, code: str | None = None) -> dict:
    return {"error": {"type": kind, "message": message, "code": code}}


# Lists that do not say what there is.
UNREADABLE = {
    "too many": {"object": "list", "url": "/v1/refunds", "has_more": True, "data": []},
    "no list": {"object": "list", "url": "/v1/refunds", "has_more": False},
    "no refunds": {"object": "list", "url": "/v1/refunds", "has_more": False, "data": [{"object": "refund"}]},
}
# The refund was made, and a fault of the server is what the key keeps.
DONE_AND_FAILED = "server error after the refund"
# Answers that do not belong to the key: asked again, the request may be done.
NOT_EXECUTED = {
    "conflict": (409, _error("idempotency_error", "Another request with this key is in progress")),
    "rate limit": (429, _error("invalid_request_error", "Too many requests", code="rate_limit")),
    "lock timeout": (429, _error("invalid_request_error", "Lock timeout", code="lock_timeout")),
    "forbidden": (403, _error("invalid_request_error", "The key lacks the permission")),
    "bad gateway": (502, _error("api_error", "Bad gateway")),
}
# Answers that the key keeps.
FAILED = {
    "server error": (500, _error("api_error", "Something went wrong")),
    "insufficient funds": (400, _error("invalid_request_error", "Insufficient funds", code="balance_insufficient")),
    "refund failed": (200, {"id": "re_0", "object": "refund", "status": "failed", "failure_reason": "declined"}),
}


@contextlib.contextmanager
def stripe_server() -> Iterator[StripeServer]:
    """Run a server on a free port of this machine until the block ends."""
    server = StripeServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
