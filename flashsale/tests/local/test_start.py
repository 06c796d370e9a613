"""How `manage.py up` starts and stops when something is unusual: ports, proxies, early Ctrl-C, dead servers."""

import os
import signal

import pytest

from flashsale.local import servers
from flashsale.tests.support.local_system import LocalSystem
from flashsale.tests.support.processes import WAIT_SECONDS, held_signals, processes_naming, wait_until


@pytest.fixture
def system(tmp_path):
    """A system that has not been started; it is stopped at the end."""
    system = LocalSystem(tmp_path)
    system.process = None
    yield system
    if system.process and system.process.poll() is None:
        system.stop()
    if system.state_dir.exists():
        servers.wait_until_stopped(system.state_dir)


def test_help_needs_no_settings_and_starts_nothing(system):
    result = system.manage("help")

    assert result.returncode == 0, result.stderr
    assert not system.state_dir.exists()


def test_a_read_only_folder_is_reported_in_one_line(system):
    system.environment["STATE_DIR"] = "/proc/state"

    result = system.manage("up")

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "The state folder /proc/state cannot be used" in result.stderr


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """A running system whose port is named by the env file, and a proxy that does not exist by its environment."""
    folder = tmp_path_factory.mktemp("proxied")
    running = LocalSystem(folder)
    (folder / "no.env").write_text(f"PORT={running.port}\n")
    running.environment |= {"PORT": "", "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    running.up()
    running.wait_open()
    yield running
    if running.process.poll() is None:
        running.stop()
    servers.wait_until_stopped(running.state_dir)


def test_the_port_of_the_env_file_is_used_and_kept_whatever_proxy_is_named(proxied):
    assert f"{proxied.url}/api/v1/products" in proxied.text()
    assert f"PORT={proxied.port}\n" in (proxied.state_dir / "local.env").read_text()


def test_a_second_ctrl_c_does_not_interrupt_the_shutdown(proxied):
    programs = _children_of(proxied)
    web = _web_server_of(proxied)

    proxied.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Stopping" in proxied.text(), what="it is stopping")
    proxied.process.send_signal(signal.SIGINT)
    proxied.process.send_signal(signal.SIGTERM)

    assert web
    assert proxied.process.wait(WAIT_SECONDS) == 0, proxied.text()
    assert not set(programs) & set(proxied.leftovers())


def test_an_invalid_port_in_the_env_file_is_refused_with_a_message(system, tmp_path):
    del system.environment["PORT"]
    (tmp_path / "no.env").write_text("PORT=http\n")

    result = system.manage("up")

    assert result.returncode == 1
    assert "PORT must be a whole number from 1 to 65535." in result.stderr
    assert "Traceback" not in result.stderr


# Signs of the start's progress, in order.
MOMENTS = {
    "the first line": lambda system: signal.SIGTERM in held_signals(system.process.pid),
    "the servers start": lambda system: (system.state_dir / "supervisor.log").exists(),
    "the database is prepared": lambda system: "Preparing the database" in system.text(),
    "programs start": lambda system: _web_server_of(system) != [],
}


@pytest.mark.parametrize(
    "numbers",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT, signal.SIGTERM, signal.SIGINT]],
    ids=lambda numbers: "+".join(number.name for number in numbers),
)
def test_an_interrupt_at_any_moment_of_the_start_stops_everything(system, numbers):
    for what, has_come in MOMENTS.items():
        system.up()
        wait_until(lambda has_come=has_come: has_come(system), what=what)

        for number in numbers:
            system.process.send_signal(number)

        assert system.process.wait(WAIT_SECONDS) == 0, f"{what}: {system.text()}"
        assert system.text().endswith("Stopped.\n")
        assert "Traceback" not in system.text()
    servers.wait_until_stopped(system.state_dir)
    wait_until(lambda: not system.leftovers(), what="no process is left")


def test_a_dead_valkey_ends_the_system_also_with_an_external_database(system, tmp_path):
    elsewhere = servers.use(tmp_path / "elsewhere")
    system.environment["DATABASE_URL"] = servers.urls(tmp_path / "elsewhere").database
    system.up()
    system.wait_open()
    [valkey] = processes_naming(f"{servers.socket_dir(system.state_dir)}/valkey.sock")

    os.kill(valkey, signal.SIGKILL)

    assert system.process.wait(WAIT_SECONDS) == 1
    assert "An embedded server ended" in system.text()
    assert "valkey-server ended with -9" in system.text()
    elsewhere.close()
    servers.wait_until_stopped(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    "given", [{}, {"STRIPE_API_KEY": "sk_test_1"}, {"STRIPE_API_KEY": "sk_live_1", "STRIPE_LIVEMODE": "0"}], ids=str
)
def test_automatic_refunds_need_a_key_of_the_right_mode(system, given):
    system.environment |= {"SECRET_KEY": "x1" * 25, "DATABASE_URL": "postgresql://db/sale"}
    system.environment |= {"STRIPE_AUTO_REFUND": "1", "STRIPE_LIVEMODE": "1"} | given

    result = system.manage("check")

    assert result.returncode == 1
    assert result.stderr.startswith("manage.py: STRIPE_AUTO_REFUND needs a STRIPE_API_KEY")


def _web_server_of(system) -> list[int]:
    """Return the web server that `up` started, nothing before that."""
    return [pid for pid in _children_of(system) if pid in processes_naming("granian\0flashsale.rsgi")]


def _children_of(system) -> list[int]:
    """Return the programs that `up` started itself, without the servers' supervisor."""
    listed = f"/proc/{system.process.pid}/task/{system.process.pid}/children"
    with open(listed) as children:
        pids = [int(pid) for pid in children.read().split()]
    return [pid for pid in pids if pid not in processes_naming("flashsale.local.supervisor")]
