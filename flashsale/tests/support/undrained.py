"""The web server's application, which neither receives bodies first nor drains them: the control of early answers."""

from collections.abc import Mapping

from flashsale import rsgi
from flashsale.core.greenlets import EventLoop
from flashsale.web import bodies


class UndrainedBody(bodies.Body):
    """A body that is received only when the application reads it."""

    def drain(self, limit: int) -> bool:
        return True


async def _announced(
    source: bodies.Source, headers: Mapping[str, str], events: EventLoop, *, chunked_limit: int
) -> tuple[UndrainedBody, int]:
    length = int(headers.get("content-length", 0))
    return UndrainedBody(source, events, length=length), length


bodies.receive = _announced
application = rsgi.application
