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
    """One request: an operation, its body and headers, the expected status.

    `assertions` are JavaScript expressions that must be true, `variables` collection variables set from the answer,
    `prerequest` is a script that runs first.
    """

    name: str
    operation: str
    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    path_id: str | None = None
    assertions: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    prerequest: str = ""


def hold(name: str, **kwargs: Any) -> Step:
    """Place a hold of one unit under a new key."""
    defaults = {"status": 201, "variables": {"hold_id": "body.hold_id"}, "assertions": ("body.status === 'active'",)}
    key = {"Idempotency-Key": "{{key}}"}
    prerequest = "pm.collectionVariables.set('key', pm.variables.replaceIn('{{$guid}}'));"
    body = '{"product_id": {{product_id}}, "quantity": 1}'
    request = {"operation": "placeHold", "body": body, "headers": key, "prerequest": prerequest}
    return Step(name=name, **request | defaults | kwargs)


def order(name: str, **kwargs: Any) -> Step:
    """Turn the last hold into an order."""
    variables = {"order_id": "body.order_id", "amount": "body.total_amount", "currency": "body.currency"}
    request = {"operation": "placeOrder", "status": 201, "body": '{"hold_id": "{{hold_id}}"}', "variables": variables}
    return Step(name=name, headers={"Idempotency-Key": "{{key}}"}, **request | kwargs)


STEPS = (
    Step(
        name="What is on sale", operation="listProducts", assertions=("body.results.length > 0",),
        variables={"product_id": "body.results.find((product) => product.sale_status === 'live').id"},
    ),
    Step(
        name="One product", operation="getProduct", path_id="{{product_id}}",
        assertions=("pm.response.headers.has('ETag')", "body.available_stock > 0"),
    ),
    hold("Set a unit aside"),
    hold(
        "The same request again, after a lost answer", prerequest="", variables={},
        assertions=(
            "body.hold_id === pm.collectionVariables.get('hold_id')",
            "pm.response.headers.get('Idempotent-Replayed') === 'true'",
        ),
    ),
    Step(name="The hold", operation="getHold", path_id="{{hold_id}}", assertions=("body.expires_in_seconds > 0",)),
    order("Order it", assertions=("body.status === 'pending_payment'",)),
    Step(
        name="The provider reports the payment", operation="receiveEvent", prerequest=SIGN,
        body='{"idempotency_key": "evt_{{order_id}}", "status": "success", "order_id": "{{order_id}}",'
        ' "payment_id": "pay_{{order_id}}", "amount": "{{amount}}", "currency": "{{currency}}"}',
        assertions=("body.outcome === 'applied'", "body.order_status === 'paid'"),
    ),
    Step(
        name="The order is paid", operation="getOrder", path_id="{{order_id}}",
        assertions=("body.status === 'paid'",),
    ),
    Step(
        name="A paid order cannot be cancelled", operation="cancelOrder", path_id="{{order_id}}", status=409,
        assertions=("body.code === 'order_already_paid'",),
    ),
    hold("Another unit"),
    Step(name="Release it", operation="releaseHold", path_id="{{hold_id}}", status=204),
    order(
        "A released hold cannot be ordered", status=409, variables={}, assertions=("body.code === 'hold_released'",),
    ),
    hold("A third one"),
    order("Order it"),
    Step(
        name="Cancel it", operation="cancelOrder", path_id="{{order_id}}",
        assertions=("body.status === 'cancelled'",),
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
            *({"key": name, "value": ""} for name in _variable_names(STEPS)),
        ],
        "item": [_item(step, *operations[step.operation]) for step in STEPS],
    }


def _variable_names(steps: Iterable[Step]) -> list[str]:
    return sorted({name for step in steps for name in step.variables} | {"key"})


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
    if step.prerequest:
        events.append(_event("prerequest", step.prerequest.strip()))
    return {"name": step.name, "request": request, "event": events}


def _test_script(step: Step) -> str:
    lines = [
        f"pm.test({json.dumps(f'{step.name}: {step.status}')}, () => pm.response.to.have.status({step.status}));",
    ]
    if step.assertions or step.variables:
        lines.append("const body = pm.response.json();")
    lines += [f"pm.test({json.dumps(check)}, () => pm.expect({check}).to.equal(true));" for check in step.assertions]
    lines += [f"pm.collectionVariables.set('{name}', {value});" for name, value in step.variables.items()]
    return "\n".join(lines)


def _event(listen: str, script: str) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": script.splitlines()}}
