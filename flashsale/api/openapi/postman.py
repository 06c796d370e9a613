"""A Postman collection (v2.1) made from the OpenAPI document: one sale from the product to the paid order, runnable.

Each step names an operation of the document; method, path, description and example come from there. The ids that one
step answers go into the next by collection variables.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
JSON = "application/json"

# Signs an event as Standard Webhooks says, when the variable `webhook_secret` (whsec_...) is set.
SIGN = """
const secret = pm.variables.get('webhook_secret');
if (secret) {
  const id = pm.variables.replaceIn('{{$guid}}');
  const timestamp = Math.floor(Date.now() / 1000).toString();
  const body = pm.variables.replaceIn(pm.request.body.raw);
  pm.request.body.update(body);
  const key = CryptoJS.enc.Base64.parse(secret.replace(/^whsec_/, ''));
  const mac = CryptoJS.HmacSHA256(`${id}.${timestamp}.${body}`, key).toString(CryptoJS.enc.Base64);
  pm.request.headers.upsert({key: 'webhook-id', value: id});
  pm.request.headers.upsert({key: 'webhook-timestamp', value: timestamp});
  pm.request.headers.upsert({key: 'webhook-signature', value: `v1,${mac}`});
}
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One request: an operation, what it is sent, which status it gets, what is checked and kept of the answer."""

    name: str
    operation: str
    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    path_id: str | None = None
    checks: tuple[str, ...] = ()
    keeps: dict[str, str] = field(default_factory=dict)
    before: str = ""


def hold(name: str, **kwargs: Any) -> Step:
    """Place a hold of one unit under a new key."""
    defaults = {"status": 201, "keeps": {"hold_id": "body.hold_id"}, "checks": ("body.status === 'active'",)}
    key = {"Idempotency-Key": "{{key}}"}
    before = "pm.collectionVariables.set('key', pm.variables.replaceIn('{{$guid}}'));"
    body = '{"product_id": {{product_id}}, "quantity": 1}'
    given = {"operation": "placeHold", "body": body, "headers": key, "before": before}
    return Step(name=name, **given | defaults | kwargs)


def order(name: str, **kwargs: Any) -> Step:
    """Turn the last hold into an order."""
    keeps = {"order_id": "body.order_id", "amount": "body.total_amount", "currency": "body.currency"}
    given = {"operation": "placeOrder", "status": 201, "body": '{"hold_id": "{{hold_id}}"}', "keeps": keeps}
    return Step(name=name, headers={"Idempotency-Key": "{{key}}"}, **given | kwargs)


STEPS = (
    Step(
        name="What is on sale", operation="listProducts", checks=("body.results.length > 0",),
        keeps={"product_id": "body.results.find((product) => product.sale_status === 'live').id"},
    ),
    Step(
        name="One product", operation="getProduct", path_id="{{product_id}}",
        checks=("pm.response.headers.has('ETag')", "body.available_stock > 0"),
    ),
    hold("Set a unit aside"),
    hold(
        "The same request again, after a lost answer", before="", keeps={},
        checks=(
            "body.hold_id === pm.collectionVariables.get('hold_id')",
            "pm.response.headers.get('Idempotent-Replayed') === 'true'",
        ),
    ),
    Step(name="The hold", operation="getHold", path_id="{{hold_id}}", checks=("body.expires_in_seconds > 0",)),
    order("Order it", checks=("body.status === 'pending_payment'",)),
    Step(
        name="The provider says that it has the money", operation="receiveEvent", before=SIGN,
        body='{"idempotency_key": "evt_{{order_id}}", "status": "success", "order_id": "{{order_id}}",'
        ' "payment_id": "pay_{{order_id}}", "amount": "{{amount}}", "currency": "{{currency}}"}',
        checks=("body.outcome === 'applied'", "body.order_status === 'paid'"),
    ),
    Step(name="The order is paid", operation="getOrder", path_id="{{order_id}}", checks=("body.status === 'paid'",)),
    Step(
        name="A paid order cannot be cancelled", operation="cancelOrder", path_id="{{order_id}}", status=409,
        checks=("body.code === 'order_already_paid'",),
    ),
    hold("Another unit"),
    Step(name="Give it up", operation="releaseHold", path_id="{{hold_id}}", status=204),
    order("What was given up cannot be ordered", status=409, keeps={}, checks=("body.code === 'hold_released'",)),
    hold("A third one"),
    order("Order it"),
    Step(
        name="Change one's mind", operation="cancelOrder", path_id="{{order_id}}",
        checks=("body.status === 'cancelled'",),
    ),
)  # fmt: skip


def collection(document: dict[str, Any]) -> dict[str, Any]:
    """Return the collection for this OpenAPI document."""
    operations = {
        operation["operationId"]: (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": SCHEMA,
        },
        "variable": [
            {"key": "base_url", "value": "http://127.0.0.1:8000"},
            {"key": "webhook_secret", "value": ""},
            *({"key": name, "value": ""} for name in _kept_names(STEPS)),
        ],
        "item": [_item(step, *operations[step.operation]) for step in STEPS],
    }


def _kept_names(steps: Iterable[Step]) -> list[str]:
    return sorted({name for step in steps for name in step.keeps} | {"key"})


def _item(step: Step, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    path = path.replace("{id}", step.path_id or "")
    headers = {"Accept": JSON} | ({"Content-Type": JSON} if step.body else {}) | step.headers
    request = {
        "method": method.upper(),
        "header": [{"key": name, "value": value} for name, value in headers.items()],
        "url": {"raw": "{{base_url}}" + path, "host": ["{{base_url}}"], "path": path.strip("/").split("/")},
        "description": operation.get("description") or operation["summary"],
    }
    if step.body:
        request["body"] = {"mode": "raw", "raw": step.body, "options": {"raw": {"language": "json"}}}
    events = [_event("test", _test_script(step))]
    if step.before:
        events.append(_event("prerequest", step.before.strip()))
    return {"name": step.name, "request": request, "event": events}


def _test_script(step: Step) -> str:
    lines = [
        f"pm.test({json.dumps(f'{step.name}: {step.status}')}, () => pm.response.to.have.status({step.status}));",
    ]
    if step.checks or step.keeps:
        lines.append("const body = pm.response.json();")
    lines += [f"pm.test({json.dumps(check)}, () => pm.expect({check}).to.equal(true));" for check in step.checks]
    lines += [f"pm.collectionVariables.set('{name}', {value});" for name, value in step.keeps.items()]
    return "\n".join(lines)


def _event(listen: str, script: str) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": script.splitlines()}}
