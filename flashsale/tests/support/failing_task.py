"""A fault of the program, and a task that has it: tests start workers with this module."""

from typing import Any

from celery import shared_task

# What clients send, and what must not leave the shop.
SECRET = "customer-of-mine"


def fail(*_arguments: Any, **_: Any) -> None:
    """Raise an exception whose message, cause and local variables have what a client sent."""
    of_a_local_variable = SECRET
    try:
        raise KeyError(of_a_local_variable)
    except KeyError as error:
        raise ValueError(f"'{SECRET}' of pi_3Nabcdef12345_secret_{SECRET} at /x?key={SECRET}") from error


@shared_task(name="tests.fail")
def failing(**_: Any) -> None:
    """Fail."""
    fail()
