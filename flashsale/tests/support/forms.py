"""Forms of the admin as a browser sends them: every field of the page, with the values that a person enters."""

from html.parser import HTMLParser

from flashsale.tests.support.processes import wait_until
from flashsale.tests.support.racing import at_once, other_connection, times

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class _Fields(HTMLParser):
    """Collects the fields of every form whose method is POST."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._is_inside = False
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = given.get("method", "get").lower() == "post"
            if self._is_inside:
                self.forms.append({})
        elif tag == "input" and self._is_inside and given.get("name") and _is_sent(given):
            self.forms[-1].setdefault(given["name"], []).append(given.get("value", ""))
        elif tag == "select" and self._is_inside and "multiple" not in given:
            self._select = given.get("name")
        elif tag == "option" and self._select:
            # The first option, unless another one is selected.
            chosen = self.forms[-1].setdefault(self._select, [given.get("value", "")])
            if "selected" in given:
                chosen[:] = [given.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "select":
            self._select = None


def _is_sent(given: dict[str, str]) -> bool:
    """Say whether a browser sends this input by itself: no file, and a box only when it is ticked."""
    return given.get("type") != "file" and (given.get("type") != "checkbox" or "checked" in given)


def filled_in(page, *, holding: str, **given: str) -> dict[str, object]:
    """Return the fields of the page's form that has one named `holding`, with `given` in place of their values."""
    reader = _Fields()
    reader.feed(page.content.decode())
    [fields] = [form for form in reader.forms if holding in form]
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()} | given


def pressed_twice_while_locked(new_admin_client, url: str, sent: dict, *, locked: str) -> list:
    """Send a form twice at the same moment while `locked` (a statement) holds what it needs."""
    with other_connection() as holder, other_connection(autocommit=True) as watcher:
        holder.execute(locked)

        def let_go() -> None:
            wait_until(lambda: watcher.execute(WAITING).fetchone()[0] >= 2, what="both presses wait")
            holder.rollback()

        *answers, _ = at_once(*times(2, lambda: new_admin_client().post(url, sent, follow=True)), let_go)
    return answers
