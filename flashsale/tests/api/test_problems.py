"""Every problem code is explained, on its page and in docs/errors.md."""

import pytest

from flashsale.api.errors import CODE_OF_STATUS, STATUS_OF_REFUSAL
from flashsale.api.problem_codes import PROBLEMS


def answered() -> set[tuple[str, int]]:
    """Return each code that the code can answer, with its status."""
    of_refusals = {(refusal.code, int(status)) for refusal, status in STATUS_OF_REFUSAL.items()}
    of_statuses = {(code, status) for status, (code, _) in CODE_OF_STATUS.items()}
    return of_refusals | of_statuses | {("outcome_unknown", 503)}


def test_every_code_that_is_answered_is_explained_and_no_other():
    assert {(problem.code, problem.status) for problem in PROBLEMS} == answered()


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_every_code_has_a_page(client, problem):
    page = client.get(f"/problems/{problem.code}")

    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert f"<h1>{problem.code}</h1>" in page.content.decode()


def test_the_type_of_a_problem_is_the_address_of_its_page(api, client, db):
    kind = api.get("/api/v1/products/999").json()["type"]

    page = client.get(kind.removeprefix("http://testserver"))

    assert "not_found" in page.content.decode()


def test_the_list_links_every_page(client):
    page = client.get("/problems/").content.decode()

    assert all(f'href="/problems/{problem.code}"' in page for problem in PROBLEMS)


@pytest.mark.parametrize("path", ["/problems/nonsense", "/problems/<script>", "/problems/a/b"])
def test_other_codes_have_no_page(client, path):
    assert client.get(path).status_code == 404
