"""Filters of the admin's lists."""

import pytest
from django.urls import reverse


@pytest.mark.parametrize(
    ("asked", "found", "complaint"),
    [
        ({}, 1, ""),
        ({"created_at_from_0": "2020-01-01"}, 1, ""),
        ({"created_at_from_0": "2020-01-01", "created_at_to_0": "2020-01-02"}, 0, ""),
        ({"created_at_to_0": "2020-01-02", "created_at_to_1": "12:00"}, 0, ""),
        ({"created_at_from_0": "2999-01-01", "created_at_from_1": "12:00:00"}, 0, ""),
        ({"created_at_from_0": "nonsense"}, 1, "Enter a valid date."),
        ({"created_at_from_0": "2020-99-99"}, 1, "Enter a valid date."),
        ({"created_at_from_0": "2020-01-01", "created_at_from_1": "noon"}, 1, "Enter a valid time."),
    ],
)
def test_lists_are_filtered_by_time(admin_client, order, asked, found, complaint):
    page = admin_client.get(reverse("admin:checkout_order_changelist"), asked)

    assert len(page.context["cl"].result_list) == found
    text = page.content.decode()
    assert [words for words in ("Enter a valid date.", "Enter a valid time.") if words in text] == [complaint][
        : bool(complaint)
    ]
