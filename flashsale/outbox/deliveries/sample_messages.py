"""The message by which an endpoint is tested: signed and sent as events are, and no event."""

from datetime import datetime
from uuid import UUID

from flashsale.core.rest.fields import MomentField
from flashsale.core.rest.views import render_json
from flashsale.outbox.models import PUBLIC_PREFIX, TEST_TYPE


def message_of(test_id: UUID, *, endpoint_id: UUID, moment: datetime) -> tuple[str, bytes]:
    """Return the message's id and its bytes, the same whenever it is rendered."""
    message_id = f"{PUBLIC_PREFIX}{test_id.hex}"
    envelope = {
        "id": message_id,
        "type": TEST_TYPE,
        "timestamp": MomentField().to_representation(moment),
        "sequence": None,
        "data": {"webhook_endpoint_id": str(endpoint_id)},
    }
    return message_id, render_json(envelope)
