"""The base of the API and `/docs` lead somewhere."""

import pytest

from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.tokens import bearer, make_token


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/"])
def test_the_base_of_the_api_links_what_can_be_looked_at(api, db, path):
    index = api.get(path)

    assert index.status_code == 200
    assert index.json() == {
        "documentation": "http://testserver/api/v1/docs",
        "openapi": "http://testserver/api/v1/schema",
        "problems": "http://testserver/problems/",
        "products": "http://testserver/api/v1/products",
    }
    assert [api.get(target).status_code for target in index.json().values()] == [200] * 4


def test_the_base_of_the_api_takes_nothing(api, db):
    problem_of(api.post("/api/v1/"), 405, "method_not_allowed")


def test_where_the_api_needs_a_token_so_does_its_index(api, db, closed):
    problem_of(api.get("/api/v1/"), 401, "not_authenticated")

    assert api.get("/api/v1/", headers=bearer(make_token())).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_docs_leads_to_the_documentation_of_the_api(client, db, path):
    page = client.get(path, follow=True)

    assert page.redirect_chain == [("/api/v1/docs", 302)]
    assert page.status_code == 200
