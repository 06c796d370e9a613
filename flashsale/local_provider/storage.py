"""The provider's objects in memory, and the journal that brings them back after a restart.

The journal has one line of JSON for each change: the objects, events and saved answers as they are from then on. A
line that was cut off when the process was killed is dropped. At the start the journal is rewritten without what is too
old to be asked for.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

EVENT_SECONDS = 30 * 24 * 3600
ANSWER_SECONDS = 24 * 3600

Thing = dict[str, Any]


def shown(thing: Thing) -> Thing:
    """Return an object as the API shows it: members that begin with `_` are the provider's own."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}


class Storage:
    """Objects, events and saved answers. Callers hold the provider's lock; `path` None keeps no journal."""

    def __init__(self, path: Path | None, *, now: int) -> None:
        self.events: dict[str, Thing] = {}
        self.undelivered: set[str] = set()
        self.answers: dict[str, Thing] = {}
        self._objects: defaultdict[str, dict[str, Thing]] = defaultdict(dict)
        self._changed: dict[str, dict[str, Thing]] = {}
        self._journal: TextIO | None = None
        if path is not None:
            self._load(path, now)

    def put(self, thing: Thing) -> None:
        """Add an object, or mark it as changed."""
        self._objects[thing["object"]][thing["id"]] = thing
        self._change("objects", thing["id"], thing)

    def put_event(self, event: Thing) -> None:
        """Add an event that has not been delivered yet."""
        self.events[event["id"]] = event
        self.undelivered.add(event["id"])
        self._change("events", event["id"], event)

    def put_answer(self, key: str, answer: Thing) -> None:
        """Keep the answer of an idempotency key."""
        self.answers[key] = answer
        self._change("answers", key, answer)

    def mark_delivered(self, event_id: str) -> None:
        """Note that an event needs no further delivery."""
        self.undelivered.discard(event_id)
        self._change("delivered", event_id, {})

    def find(self, kind: str, object_id: str) -> Thing | None:
        """Return an object by its kind and id."""
        return self._objects[kind].get(object_id)

    def newest_first(self, kind: str) -> Iterator[Thing]:
        """Yield the objects of a kind."""
        return reversed(list(self._objects[kind].values()))

    def commit(self) -> list[Thing]:
        """Write what changed as one line, and return the new events."""
        changed, self._changed = self._changed, {}
        if changed and self._journal is not None:
            self._journal.write(json.dumps(changed, separators=(",", ":")) + "\n")
            self._journal.flush()
        return list(changed.get("events", {}).values())

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def _change(self, kind: str, name: str, value: Thing) -> None:
        self._changed.setdefault(kind, {})[name] = value

    def _load(self, path: Path, now: int) -> None:
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as journal:
                for line in journal:
                    self._apply(line)
        self._drop_old(now)
        unfinished = path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as rewritten:
            rewritten.writelines(json.dumps(part) + "\n" for part in self._whole())
        unfinished.replace(path)
        self._journal = path.open("a", encoding="utf-8")

    def _apply(self, line: str) -> None:
        try:
            change = json.loads(line)
        except ValueError:
            # Cut off when the process was killed.
            return
        for thing in change.get("objects", {}).values():
            self._objects[thing["object"]][thing["id"]] = thing
        for event in change.get("events", {}).values():
            self.events[event["id"]] = event
            self.undelivered.add(event["id"])
        self.undelivered -= set(change.get("delivered", {}))
        self.answers |= change.get("answers", {})

    def _drop_old(self, now: int) -> None:
        self.events = {name: one for name, one in self.events.items() if one["created"] > now - EVENT_SECONDS}
        self.answers = {name: one for name, one in self.answers.items() if one["saved_at"] > now - ANSWER_SECONDS}
        self.undelivered &= set(self.events)

    def _whole(self) -> Iterator[Thing]:
        for things in self._objects.values():
            yield {"objects": things}
        delivered = {name: {} for name in self.events if name not in self.undelivered}
        yield {"events": self.events, "delivered": delivered, "answers": self.answers}
