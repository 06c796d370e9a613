"""The README's example sale gives the README's answers exactly, apart from ids and times."""

import json
import re
import subprocess
from uuid import UUID

import pytest

from flashsale.local import servers
from flashsale.tests.support.local_system import LocalSystem
from flashsale.tests.support.processes import PROJECT

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
README_URL = "http://127.0.0.1:8000"


@pytest.fixture
def system(tmp_path):
    """A system on its first start."""
    running = LocalSystem(tmp_path)
    running.up()
    running.wait_open()
    yield running
    running.stop()
    servers.wait_until_stopped(running.state_dir)


def walk_through() -> list[tuple[str, dict]]:
    """Return the commands of the README with the answers it shows."""
    text = (PROJECT / "README.md").read_text()
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        found += [
            (command, json.loads(answer)) for command, answer in re.findall(r"^\$ (.*)\n(.*)$", block, re.MULTILINE)
        ]
    return found


def learn(expected: dict, actual: dict, known: dict[str, str]) -> dict:
    """Return the actual answer with the README's ids and times put in, and record which id stands for which."""
    assert list(actual) == list(expected)
    shown = {}
    for name, value in actual.items():
        told = expected[name]
        if name == "request_id" or (isinstance(value, str) and TIME.fullmatch(value) and TIME.fullmatch(str(told))):
            shown[name] = told
        elif name.endswith("_id") and isinstance(told, str) and _is_uuid(told) and _is_uuid(str(value)):
            assert known.setdefault(told, value) == value
            shown[name] = told
        else:
            shown[name] = value
    return shown


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def test_the_sale_by_hand_gives_what_the_readme_says(system):
    known: dict[str, str] = {}
    steps = walk_through()
    assert len(steps) == 7

    for shown, expected in steps:
        command = shown.replace(README_URL, system.url)
        for told, real in known.items():
            command = command.replace(told, real)
        answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

        actual = json.loads(answer.stdout.replace(system.url, README_URL))
        assert learn(expected, actual, known) == expected


def rows_of(table_head: str, document: str) -> list[list[str]]:
    """Return the cells of the table that begins with these columns."""
    table = re.search(rf"^{re.escape(table_head)}.*\n\|[-|]*\n((?:\|.*\n)+)", document, re.MULTILINE)[1]
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]


def test_the_measured_numbers_are_those_of_the_results():
    measured = rows_of("| what | a second | p50 ms |", (PROJECT / "benchmarks" / "RESULTS.md").read_text())
    results = {(what, a_second, other, ratio) for what, a_second, _, _, _, other, _, _, ratio, *_ in measured}

    shown = rows_of("| what | a second | compared with |", (PROJECT / "README.md").read_text())

    assert len(shown) == 4
    assert {(what, a_second, other, ratio) for what, a_second, _, other, ratio in shown} <= results
