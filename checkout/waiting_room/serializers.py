"""Bodies of requests and answers about queues."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checkout.models import CUSTOMER_ID_LENGTH
from checkout.waiting_room.joining import Joined
from checkout.waiting_room.page import QueuePage, QueueState
from flashsale.core.rest.fields import MomentField, StrictTextField
from flashsale.core.rest.serializers import RequestSerializer, ResponseSerializer


class JoinQueue(RequestSerializer):
    """`customer_id` counts only with an API token: a customer has one place in the draw, on each device."""

    customer_id = StrictTextField(max_length=CUSTOMER_ID_LENGTH, required=False)


class JoinedOut(ResponseSerializer):
    """A place in a queue."""

    ticket = serializers.CharField(help_text="Keep it, and send it as `Queue-Ticket`: it is the place in the queue.")
    place = serializers.FloatField(
        allow_null=True, help_text="Null before the draw; in [0, 1) if it was drawn, from 1 on if it came later."
    )
    minted_at = MomentField()

    @classmethod
    def bytes_of(cls, joined: Joined) -> bytes:
        """Return the JSON of an answer: what `render_json` makes of its members, in less time.

        A whole crowd joins in the same minute, and nothing in a ticket, a number or a moment has to be escaped.
        """
        place = "null" if joined.place is None else repr(joined.place)
        minted_at = _render_moment(joined.minted_at)
        return f'{{"ticket":"{joined.ticket}","place":{place},"minted_at":"{minted_at}"}}'.encode()


_render_moment = MomentField().to_representation


class QueueOut(ResponseSerializer):
    """How far a queue is served; the same for all clients."""

    state = serializers.SerializerMethodField(help_text="What the queue does now.")
    serving = serializers.FloatField(help_text="Tickets with a place up to this one are admitted.")
    rate = serializers.FloatField(help_text="By how much `serving` grows in a second.")
    seed_hash = serializers.CharField(
        allow_null=True, help_text="The SHA-256 of the seed's text; null before the opening, and without a draw."
    )
    seed = serializers.CharField(
        allow_null=True, help_text="What the draw was made with: 64 hexadecimal digits; null before it."
    )
    available = serializers.IntegerField(help_text="Units that can be held now.")
    may_return = serializers.BooleanField(help_text="Whether units of holds and unpaid orders may come back.")
    server_time = MomentField()
    poll_in_seconds = serializers.FloatField(
        help_text="When to ask again; it varies, so that clients do not ask in step."
    )

    @extend_schema_field({"type": "string", "enum": [str(state) for state in QueueState]})
    def get_state(self, page: QueuePage) -> str:
        return str(page.state)
