"""Each problem code is defined once, and everything that answers or explains it says the same."""

import ast
import functools
import json
import re

import pytest
from rest_framework.test import APIRequestFactory

from flashsale.api.errors import answer_to
from flashsale.api.problem_codes import BY_CODE, GENERAL, PROBLEMS
from flashsale.core.transactions import Busy, OutcomeUnknown
from flashsale.tests.support.processes import PROJECT
from flashsale.tests.support.source_code import production_modules

STANDARD_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
PROBLEM_TABLES = {f"flashsale/api/{name}.py" for name in ("problem_codes", "queue_problems", "backoffice_problems")}
NGINX_ANSWER = re.compile(r"return \d+ '(\{.*\})'")


@functools.cache
def strings() -> list[tuple[str, str]]:
    """Return each string of the production code, docstrings left out, with its module."""
    found = []
    for path in production_modules():
        tree = ast.parse(path.read_text())
        statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                found.append((node.value, str(path.relative_to(PROJECT))))
    return found


def documented_examples() -> dict[str, dict]:
    """Return the problem documents that the committed OpenAPI documents show, by code."""
    names = ("docs/openapi.json", "docs/openapi-backoffice.json")
    responses = [
        response
        for name in names
        for methods in json.loads((PROJECT / name).read_text())["paths"].values()
        for operation in methods.values()
        for response in operation["responses"].values()
    ]
    bodies = [response.get("content", {}).get("application/problem+json", {}) for response in responses]
    examples = [example["value"] for body in bodies for example in body.get("examples", {}).values()]
    return {example["code"]: example for example in examples}


def nginx_answers() -> list[dict]:
    """Return the problem documents that deploy/nginx.conf makes itself, but the one whose code is a variable."""
    texts = NGINX_ANSWER.findall((PROJECT / "deploy/nginx.conf").read_text())
    return [document for document in map(json.loads, texts) if not document["code"].startswith("$")]


def test_every_code_is_defined_once():
    assert len(BY_CODE) == len(PROBLEMS)
    assert len({problem.status for problem in GENERAL}) == len(GENERAL)


def test_no_other_module_says_what_a_problem_means():
    places = strings()

    for problem in PROBLEMS:
        for text in (problem.meaning, problem.advice):
            found = {path for value, path in places if value == text}
            assert found
            assert found <= PROBLEM_TABLES


# Pages on which "Sold out" is the status of a sale.
PAGES_OF_STAFF = {"catalog/admin/wording.py", "checkout/sale_figures.py", "flashsale/staff/dashboard/sales.py"}


def test_a_title_stands_in_the_refusal_or_in_the_table():
    for problem in PROBLEMS:
        home = problem.refusal.__module__.replace(".", "/") if problem.refusal else "flashsale/api/problem_codes"
        titled = {path for value, path in strings() if value == problem.title and path not in PAGES_OF_STAFF}

        assert titled <= {f"{home}.py", f"{home}/__init__.py"}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_the_openapi_document_shows_what_is_answered(problem):
    example = documented_examples().get(problem.code)
    if example is None:
        assert problem.code in {"forbidden", "method_not_allowed"}
        return

    assert (example["title"], example["status"]) == (problem.title, problem.status)
    assert set(example) == STANDARD_MEMBERS | {member.name for member in problem.members}


def test_nginx_answers_with_the_same_titles():
    answers = nginx_answers()

    assert len(answers) == 5
    for answer in answers:
        problem = BY_CODE[answer["code"]]
        assert (answer["title"], answer["status"]) == (problem.title, problem.status)
        assert answer["type"] == f"/problems/{problem.code}"


@pytest.mark.parametrize(
    ("error", "code"), [(Busy("Too many."), "busy"), (OutcomeUnknown(), "outcome_unknown")], ids=["busy", "unknown"]
)
def test_an_error_of_the_database_is_answered_by_the_table(error, code):
    request = APIRequestFactory().get("/api/v1/products")

    answer = json.loads(answer_to(request, error).content)

    assert (answer["title"], answer["status"]) == (BY_CODE[code].title, BY_CODE[code].status)


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
