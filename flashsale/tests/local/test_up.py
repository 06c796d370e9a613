"""`manage.py up` and `manage.py` in local mode, as their users start them."""

import os
import re
import signal
import socket
import subprocess
import sys
from io import StringIO

import httpx
import pytest
import stripe
from django.core.management import call_command

from flashsale.local import servers
from flashsale.tests.support.local_system import AWKWARD, LocalSystem, paste
from flashsale.tests.support.processes import WAIT_SECONDS, free_port, processes_naming, start, wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A running system, shared by the tests of this module that do not stop it."""
    folder = tmp_path_factory.mktemp("up") / AWKWARD
    folder.mkdir()
    running = LocalSystem(folder)
    running.up()
    running.wait_open()
    yield running
    if running.process.poll() is None:
        running.stop()
    servers.wait_until_stopped(running.state_dir)


def test_up_prints_its_urls_and_the_staff_login(system):
    text = system.text()

    assert f"shop      {system.url}/\n" in text
    assert f"{system.url}/api/v1/products" in text
    assert f"{system.url}/admin/" in text
    assert re.search(r"Staff account of this system: admin / \S{12,}", text)


def test_the_demo_products_cover_the_sale_statuses(system):
    products = httpx.get(f"{system.url}/api/v1/products").json()["results"]

    assert [product["sale_status"] for product in products] == ["live", "upcoming", "sold_out", "live"]
    assert products[0]["total_stock"] == 100
    assert products[3]["max_per_customer"] == 2


def test_the_printed_login_opens_the_admin(system):
    name, password = re.search(r"Staff account of this system: (\S+) / (\S+)", system.text()).groups()
    with httpx.Client(base_url=system.url, follow_redirects=True) as client:
        client.get("/admin/login/")
        fields = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        page = client.post("/admin/login/?next=/admin/", data=fields)

    assert "Flash sale" in page.text


def test_s6_the_demo_has_a_password_of_its_own_and_no_debug_pages(system, db):
    elsewhere = StringIO()
    call_command("seed_demo", stdout=elsewhere)

    passwords = [re.search(r"admin / (\S{16,}) \(", text).group(1) for text in (system.text(), elsewhere.getvalue())]

    assert len(set(passwords)) == 2
    assert "URLconf" not in httpx.get(f"{system.url}/nothing").text


def test_the_env_file_is_private_and_stores_the_port(system):
    local_env = system.state_dir / "local.env"

    assert local_env.stat().st_mode & 0o777 == 0o600
    assert f"PORT={system.port}" in local_env.read_text()


def test_static_files_of_the_admin_are_served(system):
    assert httpx.get(f"{system.url}/static/admin/css/base.css").status_code == 200


def test_a_second_start_on_the_same_folder_is_refused_with_a_message(system):
    result = system.manage("up")

    assert result.returncode == 1
    assert f"A system already runs on {system.url}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_command_runs_on_the_same_servers(system):
    added = system.manage("add_product", "--name", "Extra", "--price", "5", "--currency", "USD", "--stock", "3")

    assert added.returncode == 0, added.stderr
    assert httpx.get(f"{system.url}/api/v1/products/{added.stdout.strip()}").json()["total_stock"] == 3
    assert system.manage("audit_stock").returncode == 0


@pytest.mark.parametrize("provider", ["standard", "stripe"])
def test_an_event_is_sent_by_command(system, provider):
    hold = httpx.post(f"{system.url}/api/v1/holds", json={"product_id": 1, "quantity": 1}).json()
    order = httpx.post(f"{system.url}/api/v1/orders", json={"hold_id": hold["hold_id"]}).json()
    payment = ["--order-id", order["order_id"], "--payment-id", f"pay_{provider}"]

    sent = system.manage("send_webhook", "--provider", provider, *payment)

    assert sent.returncode == 0, sent.stderr
    assert '"outcome":"applied"' in sent.stdout
    assert httpx.get(f"{system.url}/api/v1/orders/{order['order_id']}").json()["status"] == "paid"


def test_a_payment_on_the_local_provider_pays_the_order(system):
    stored = dict(line.split("=", 1) for line in (system.state_dir / "local.env").read_text().splitlines())
    provider = stripe.StripeClient(stored["STRIPE_API_KEY"], base_addresses={"api": stored["STRIPE_API_BASE"]}).v1
    hold = httpx.post(f"{system.url}/api/v1/holds", json={"product_id": 1, "quantity": 1}).json()
    order = httpx.post(f"{system.url}/api/v1/orders", json={"hold_id": hold["hold_id"]}).json()
    intent = provider.payment_intents.create(
        {"amount": 2999, "currency": "usd", "metadata": {"order_id": order["order_id"]}}
    )
    values = {"client_secret": intent.client_secret, "return_url": f"{system.url}/api/v1/docs"}

    page = httpx.get(f"{stored['STRIPE_API_BASE']}/pay/{intent.id}", params=values)
    paid = httpx.post(f"{stored['STRIPE_API_BASE']}/pay/{intent.id}", data=values | {"action": "pay"})

    assert "29.99 USD" in page.text
    assert paid.headers["location"].startswith(values["return_url"])
    wait_until(lambda: httpx.get(f"{system.url}/api/v1/orders/{order['order_id']}").json()["status"] == "paid")
    assert stored["STRIPE_API_BASE"] in system.text()


def test_an_overdue_hold_is_expired_by_the_worker(system):
    wanted = {"product_id": 1, "quantity": 1, "ttl": 10}
    hold = httpx.post(f"{system.url}/api/v1/holds", json=wanted).json()

    def is_tidied_up() -> bool:
        query = f"from checkout.models import Hold; print(Hold.objects.get(pk='{hold['hold_id']}').status)"
        return system.manage("shell", "-v", "0", "-c", query).stdout.strip() == "expired"

    wait_until(is_tidied_up)


def test_simulated_sales_by_the_printed_command_keep_every_promise(system, tmp_path):
    before = httpx.get(f"{system.url}/api/v1/products").json()["results"]
    [printed] = re.findall(r"^In another terminal: (.*)$", system.text(), re.M)
    # At the same time: the crowd of the queue waits for its start while the other one buys.
    queued = start(
        sys.executable, "manage.py", "simulate_sale", "--queue", "--shoppers", "100", "--stock", "20",
        environment=system.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

    result = paste(f"{printed} --shoppers 150 --stock 20", folder=tmp_path)
    output, _ = queued.communicate(timeout=2 * WAIT_SECONDS)

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"at {system.url}" in result.stdout.replace("\n", "")
    assert "Every promise held" in result.stdout
    assert queued.returncode == 0, output
    assert "The draw can be checked and was fair" in output
    assert re.search(r"[\d,]+ requests in \d+ s: [\d,]+ a second", result.stdout)
    assert "on the same machine as the server" in result.stdout
    after = httpx.get(f"{system.url}/api/v1/products").json()["results"]
    assert [product["id"] for product in after] == [product["id"] for product in before]


def _postmaster(system) -> int:
    return int((system.state_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def _worker(system) -> int:
    return min(_own(system, "celery\0-A\0flashsale\0worker\0-Q\0celery"))


def _web_process(system) -> int:
    return max(_own(system, "granian\0flashsale.rsgi"))


def _own(system, command: str) -> list[int]:
    return sorted(set(processes_naming(command)) & set(system.leftovers()))


@pytest.mark.parametrize("victim", [_web_process, _worker, _postmaster], ids=["web", "worker", "postgresql"])
def test_killing_a_process_during_a_sale_loses_nothing_that_was_answered(system, victim):
    sale = start(
        sys.executable, "manage.py", "simulate_sale", "--shoppers", "300", "--stock", "60",
        environment=system.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    before = httpx.get(f"{system.url}/api/v1/products").json()["results"]
    wait_until(lambda: _is_selling(system, len(before)), what="the sale is under way")

    os.kill(victim(system), signal.SIGKILL)
    if victim is not _web_process:
        assert system.process.wait(WAIT_SECONDS) != 0
        system.up()
        system.wait_open()
    output, _ = sale.communicate(timeout=2 * WAIT_SECONDS)

    assert sale.returncode == 0, output
    assert "Every promise held" in output
    assert system.manage("audit_stock").returncode == 0


def _is_selling(system, known_products: int) -> bool:
    products = httpx.get(f"{system.url}/api/v1/products").json()["results"][known_products:]
    return bool(products) and products[-1]["available_stock"] < products[-1]["total_stock"] // 2


def test_a_port_in_use_is_refused_with_a_message(tmp_path):
    other = LocalSystem(tmp_path)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", other.port))
        busy.listen()

        result = other.manage("up")

    assert result.returncode == 1
    assert f"Port {other.port} of 127.0.0.1 cannot be used" in result.stderr
    assert f"make run PORT={other.port + 1} STATE_DIR={other.state_dir}\n" in result.stderr
    assert "Traceback" not in result.stderr
    servers.wait_until_stopped(other.state_dir)
    wait_until(lambda: not other.leftovers(), what="no process is left")


def test_a_refused_port_is_not_stored(tmp_path):
    # Otherwise commands and the next start would use the other server's port.
    other = LocalSystem(tmp_path)
    other.state_dir.mkdir(parents=True)
    kept = f"LOCAL_MODE=1\nSECRET_KEY={'k' * 50}\nPORT={free_port()}\n"
    (other.state_dir / "local.env").write_text(kept)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", other.port))
        busy.listen()

        result = other.manage("up")

    assert f"Port {other.port} of 127.0.0.1 cannot be used" in result.stderr
    assert (other.state_dir / "local.env").read_text().startswith(kept)
    servers.wait_until_stopped(other.state_dir)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_an_invalid_port_is_refused_with_a_message(tmp_path, port):
    other = LocalSystem(tmp_path)
    other.environment["PORT"] = port

    result = other.manage("up")

    assert result.returncode == 1
    assert result.stderr == "manage.py: PORT must be a whole number from 1 to 65535.\n"


def test_production_refuses_to_start_without_secret_or_database(tmp_path):
    other = LocalSystem(tmp_path)
    for settings in (
        {},
        {"SECRET_KEY": "change-me"},
        {"SECRET_KEY": "django-insecure-" + "x" * 50},
        {"SECRET_KEY": "x" * 50},
        {"SECRET_KEY": "x" * 50, "DATABASE_URL": "sqlite:///db.sqlite3"},
    ):
        other.environment |= settings
        result = other.manage("check")

        assert result.returncode == 1, settings
        assert result.stderr.startswith("manage.py: "), result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_the_system_stops_when_a_process_dies_and_says_why(system):
    [beat] = set(processes_naming("celery\0-A\0flashsale\0beat")) & set(system.leftovers())

    os.kill(beat, signal.SIGKILL)

    assert system.process.wait(WAIT_SECONDS) == 128 + signal.SIGKILL
    assert "beat ended with signal 9. Its last lines" in system.text()
    servers.wait_until_stopped(system.state_dir)
    wait_until(lambda: not system.leftovers(), what="no process is left")


def test_a_second_start_keeps_the_data_and_ctrl_c_stops_it(system):
    system.up()
    system.wait_open()
    products = httpx.get(f"{system.url}/api/v1/products").json()["results"]

    code = system.stop()

    assert code == 0
    assert "Stopped." in system.text()
    assert "Staff account" not in system.text()
    assert len(products) >= 5
    servers.wait_until_stopped(system.state_dir)
    wait_until(lambda: not system.leftovers(), what="no process is left")


def test_a_killed_system_leaves_no_orphans(system):
    system.up()
    system.wait_open()

    system.process.kill()

    system.process.wait(WAIT_SECONDS)
    wait_until(lambda: not system.leftovers(), what="no process is left")
