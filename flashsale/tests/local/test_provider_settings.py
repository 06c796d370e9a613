"""Which settings a local system gets for its own payment provider, and when it gets none."""

import os
import socket
from unittest.mock import patch

import pytest

from flashsale.local import env_file

NAMES = {
    "STRIPE_API_BASE", "STRIPE_API_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRETS", "STRIPE_AUTO_REFUND",
    "SHOP_ID",
}  # fmt: skip


@pytest.fixture
def prepare(tmp_path):
    """Returns a function that chooses the settings as `up` does, under these variables and lines of `.env`."""

    def prepare(dotenv: str = "", **variables: str) -> tuple[dict[str, str], int | None]:
        (tmp_path / "env").write_text(dotenv)
        with patch.dict(os.environ, {"ENV_FILE": str(tmp_path / "env")} | variables, clear=True):
            env_file.prepare(tmp_path)
            lines = (tmp_path / "local.env").read_text().splitlines()
            stored = dict(line.split("=", 1) for line in lines)
            for name, value in stored.items():
                os.environ.setdefault(name, value)
            return stored, env_file.provider_port(tmp_path)

    return prepare


def test_a_local_system_gets_a_provider_of_its_own_and_keeps_its_settings(prepare):
    first, port = prepare()
    again, _ = prepare("STRIPE_API_KEY=\nSTRIPE_WEBHOOK_SECRETS=\n", STRIPE_API_KEY=" ")

    assert set(first) > NAMES
    assert again == first
    assert first["STRIPE_API_BASE"] == f"http://127.0.0.1:{port}"
    assert first["STRIPE_API_KEY"].startswith("sk_test_")
    assert first["STRIPE_PUBLISHABLE_KEY"].startswith("pk_test_")


@pytest.mark.parametrize("name", ["STRIPE_API_KEY", "STRIPE_API_KEY_FILE", "STRIPE_API_BASE"])
@pytest.mark.parametrize("is_in_file", [True, False])
def test_a_key_of_stripe_switches_it_off_also_when_it_was_used_before(prepare, name, is_in_file):
    prepare()

    stored, port = prepare(f"{name}=sk_test_x") if is_in_file else prepare(**{name: "sk_test_x"})

    assert port is None
    assert not NAMES & set(stored)


def test_what_the_environment_has_is_left_to_it(prepare):
    stored, port = prepare(STRIPE_WEBHOOK_SECRETS="whsec_own", SHOP_ID="shop-7")

    assert NAMES - set(stored) == {"STRIPE_WEBHOOK_SECRETS", "SHOP_ID"}
    assert port is not None


def test_a_port_that_another_program_took_is_replaced(prepare):
    _, before = prepare()
    with socket.socket() as other:
        other.bind(("127.0.0.1", before))
        other.listen()

        _, after = prepare()

    assert after not in (None, before)
