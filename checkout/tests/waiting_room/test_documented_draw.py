"""docs/waiting-room.md says how a draw is checked, and what it says is what the shop draws."""

import contextlib
import hashlib
import io
import re

from checkout.waiting_room import places
from flashsale.tests.support.processes import PROJECT


def test_the_documented_check_gives_the_hash_and_the_place():
    [code] = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/waiting-room.md").read_text(), re.DOTALL)
    variables: dict = {}

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, variables)

    seed, ticket_id = variables["seed"], variables["ticket_id"]
    assert printed.getvalue().split() == [
        hashlib.sha256(seed.encode()).hexdigest(), str(places.drawn_place(seed, ticket_id)),
    ]  # fmt: skip
