"""Secrets from files: every setting NAME may be given as NAME_FILE, the path of a file that holds it."""

import json
import subprocess
import sys

import pytest

from flashsale.tests.support.processes import PROJECT

SHOW = """
import json
from django.conf import settings
shown = {name: getattr(settings, name) for name in ("SECRET_KEY", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS")}
shown["STANDARD_WEBHOOK_KEYS"] = [key.decode() for key in settings.STANDARD_WEBHOOK_KEYS]
print(json.dumps(shown | {"PASSWORD": settings.DATABASES["default"]["PASSWORD"]}))
"""
SECRET_KEY = "0123456789" * 5
URL = "postgresql://flashsale@db/flashsale"


@pytest.fixture
def run(tmp_path):
    """Returns a function that runs a program with these settings and nothing else."""

    def run(*argv: str, **environment: str) -> subprocess.CompletedProcess:
        # Nothing of the tests' own settings, nor of a developer's files.
        environment = {"ENV_FILE": str(tmp_path / "env"), "STATE_DIR": str(tmp_path / "state")} | environment
        return subprocess.run(
            [sys.executable, *argv], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def shown(run):
    """Returns a function that starts Django with these settings and returns the resulting values."""

    def shown(**environment: str) -> dict:
        result = run("-c", SHOW, DJANGO_SETTINGS_MODULE="flashsale.settings", **environment)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return shown


@pytest.fixture
def secret(tmp_path):
    """Returns a function that writes a file and returns its path."""

    def secret(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return secret


def test_secrets_come_from_files_without_the_newline_at_their_end(shown, secret):
    found = shown(
        SECRET_KEY_FILE=secret("key", f"{SECRET_KEY}\n"),
        DATABASE_URL=URL,
        DATABASE_PASSWORD_FILE=secret("password", "p@ss w/rd:?#\n"),
        STANDARD_WEBHOOK_SECRETS_FILE=secret("standard", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=\n"),
        STRIPE_WEBHOOK_SECRETS_FILE=secret("stripe", "whsec_one,whsec_two\n"),
        STRIPE_API_KEY_FILE=secret("api", "sk_live_1\n"),
    )

    assert found == {
        "SECRET_KEY": SECRET_KEY,
        "PASSWORD": "p@ss w/rd:?#",
        "STANDARD_WEBHOOK_KEYS": ["abcdefghijklmnopqrstuvwxyz"],
        "STRIPE_WEBHOOK_SECRETS": ["whsec_one", "whsec_two"],
        "STRIPE_API_KEY": "sk_live_1",
    }


def test_plain_variables_work_as_well_and_an_empty_file_is_an_empty_setting(shown, secret):
    found = shown(
        SECRET_KEY=SECRET_KEY,
        DATABASE_URL="postgresql://flashsale:from-url@db/flashsale",
        STRIPE_WEBHOOK_SECRETS_FILE=secret("stripe", ""),
        STRIPE_API_KEY_FILE=secret("api", "\n"),
    )

    assert (found["SECRET_KEY"], found["PASSWORD"]) == (SECRET_KEY, "from-url")
    assert (found["STRIPE_WEBHOOK_SECRETS"], found["STRIPE_API_KEY"]) == ([], "")


def test_the_whole_database_url_may_come_from_a_file_and_the_env_file_may_name_it(shown, secret, tmp_path):
    url = secret("url", "postgresql://flashsale:inside@db/flashsale\n")
    env_file = secret("production.env", f"SECRET_KEY={SECRET_KEY}\nDATABASE_URL=\nDATABASE_URL_FILE={url}\n")

    found = shown(ENV_FILE=env_file)

    assert found["PASSWORD"] == "inside"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("SECRET_KEY", None),
        ("DATABASE_PASSWORD", None),
        ("STANDARD_WEBHOOK_SECRETS", None),
        ("STRIPE_WEBHOOK_SECRETS", None),
        ("STRIPE_API_KEY", None),
        ("STRIPE_API_KEY", b"\xff\xfe"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_starts(run, tmp_path, name, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    environment = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": URL, f"{name}_FILE": str(path)}

    command = run("manage.py", "check", **environment)

    assert command.returncode == 1
    assert command.stderr.startswith(f"manage.py: {name}_FILE cannot be read: ")
    assert len(command.stderr.splitlines()) == 1


def test_an_empty_file_is_no_secret_key(run, secret):
    refused = run("manage.py", "check", SECRET_KEY_FILE=secret("key", "\n"), DATABASE_URL=URL)

    assert refused.returncode == 1
    assert refused.stderr.startswith("manage.py: SECRET_KEY is missing")


def test_a_worker_does_not_start_either(run, tmp_path):
    refused = run("-m", "celery", "-A", "flashsale", "beat", SECRET_KEY_FILE=str(tmp_path / "no"), DATABASE_URL=URL)

    assert refused.returncode != 0
    assert "SECRET_KEY_FILE cannot be read: No such file or directory." in refused.stderr


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("redis://db:6379/3", "redis://db:6379/3"),
        ("unix:///run/valkey.sock?db=2", "redis+socket:///run/valkey.sock?virtual_host=2"),
        ("redis+sentinel://s1,s2:26380/shop/2", "sentinel://s1:26379/2;sentinel://s2:26380/2"),
    ],
)
def test_the_broker_is_the_same_redis_where_nothing_else_is_said(run, redis, broker):
    settings = {"DJANGO_SETTINGS_MODULE": "flashsale.settings", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": URL}
    show = "from django.conf import settings; print(settings.CELERY_BROKER_URL)"

    assert run("-c", show, REDIS_URL=redis, **settings).stdout.strip() == broker


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("rediss://valkey:6380/1", "CERT_REQUIRED"),
        ("redis+sentinel://:pw@s1,s2/shop/1", "['sentinel://:pw@s1:26379/1', 'sentinel://:pw@s2:26379/1']"),
    ],
)
def test_celery_connects_as_the_settings_say_and_not_as_the_environment_does(run, url, used):
    settings = {"DJANGO_SETTINGS_MODULE": "flashsale.settings", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": URL}
    show = (
        "from flashsale.celery import app\n"
        "for broker in (app.connection_for_read(), app.connection_for_write()): print(broker.ssl, broker.alt)"
    )

    result = run("-c", show, CELERY_BROKER_URL=url, **settings)

    assert result.stdout.count(used) == 2, result.stdout + result.stderr
