"""Settings from the environment: whitespace is stripped, and invalid values are refused in one sentence."""

import os
import re
import runpy
import subprocess
import sys
from unittest.mock import patch

import pytest
from django.core.exceptions import ImproperlyConfigured

from flashsale.tests.support.processes import PROJECT

# A warning may quote the value; a refusal must not. Sockets that other tests left are none of its business.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")
SETTINGS = PROJECT / "flashsale" / "settings.py"
KEY = "0123456789" * 5
URL = "postgresql://flashsale:pass@db:5432/flashsale"
REQUIRED = {"SECRET_KEY": KEY, "DATABASE_URL": URL}
WEBHOOK_SECRET = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="

# Each variable with a valid value that is not its default.
USABLE = {
    "LOCAL_MODE": "0", "DEBUG": "yes", "SECRET_KEY": "abcdefghij" * 5,
    "SECRET_KEY_FALLBACKS": f"{'klmnopqrst' * 5},{'uvwxyzabcd' * 5}",
    "QUEUE_KEYS": f"{'bcdefghijk' * 5},{'lmnopqrstu' * 5}",
    "ALLOWED_HOSTS": "shop.example.com,.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://shop.example.com", "TIME_ZONE": "Europe/Berlin", "LOG_LEVEL": "WARNING",
    "LOG_FORMAT": "text", "SENTRY_DSN": "https://0123abcd@sentry.test:8443/7", "SENTRY_ENVIRONMENT": "staging",
    "SENTRY_RELEASE": "1.2.3+a1b2", "METRICS_TOKEN": "token", "METRICS_PORT": "9100",
    "PROMETHEUS_MULTIPROC_DIR": "/tmp",
    "DATABASE_URL": "postgresql://other@db/other?sslmode=require", "DATABASE_PASSWORD": "p@ss w/rd:?#",
    "WEB_WORKERS": "3", "WEB_REQUESTS": "16", "WEB_HOST": "::1", "PORT": "8080", "DATABASE_POOL_MAX": "7",
    "MAX_CONCURRENT_HOLDS": "24", "DATABASE_LOCK_TIMEOUT_MS": "1500", "DATABASE_STATEMENT_TIMEOUT_MS": "9000",
    "DATABASE_IDLE_TRANSACTION_MS": "4000", "DATABASE_COMMIT_SECONDS": "4", "DATABASE_POOLER": "1",
    "DATABASE_APPLICATION_NAME": "flashsale-pay", "REDIS_URL": "rediss://:secret@valkey:6380/2",
    "CELERY_BROKER_URL": "sentinel://a:26379;sentinel://b:26379", "API_ACCESS": "token",
    "CORS_ALLOWED_ORIGINS": "https://shop.example.com,capacitor://localhost", "HOLDS_PER_MINUTE": "31",
    "CHANGES_PER_MINUTE": "121", "READS_PER_MINUTE": "601", "TOKEN_HOLDS_PER_MINUTE": "6001",
    "TOKEN_CHANGES_PER_MINUTE": "12001", "TOKEN_READS_PER_MINUTE": "0", "JOINS_PER_MINUTE": "31",
    "TOKEN_JOINS_PER_MINUTE": "60001", "TOKEN_BACKOFFICE_PER_MINUTE": "1201",
    "TRUSTED_PROXIES": "2",
    "LOGIN_MAX_FAILURES": "6",
    "LOGIN_LOCKOUT_MINUTES": "16",
    "LOGINS_PER_MINUTE": "29", "LOGINS_PER_MINUTE_OVERALL": "119",
    "STAFF_IDLE_MINUTES": "59", "STAFF_SESSION_HOURS": "11", "REUSE_PORT": "1", "WEB_DRAIN_SECONDS": "2",
    "WRONG_TOKENS_PER_MINUTE": "59", "REFUSED_DELIVERIES_PER_MINUTE": "58",
    "HOLD_TTL_SECONDS": "121", "HOLD_TTL_MAX_SECONDS": "601", "ADMISSION_SECONDS": "301",
    "ORDER_PAYMENT_SECONDS": "901", "STANDARD_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "STRIPE_WEBHOOK_SECRETS": "whsec_a,whsec_b", "STRIPE_API_KEY": "rk_live_1", "STRIPE_LIVEMODE": "0",
    "STRIPE_AUTO_REFUND": "0", "STRIPE_PAYMENT_LINKS": "plink_1,plink_2", "TRUST_CLAIMED_PAYMENT_IDS": "1",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_1", "SHOP_ID": "shop-1", "STRIPE_PAYMENT_MODE": "checkout",
    "STRIPE_REQUESTS_PER_SECOND": "5", "PAYMENT_CLOSE_SECONDS": "30", "PAYMENT_RETURN_HOSTS": "a.test,b.test",
    "LATE_PAYMENT_HOURS": "48",
    "STRIPE_REFUNDS_PER_HOUR": "0", "STRIPE_API_BASE": "https://stripe.test:8443", "SECURE_SSL_REDIRECT": "0",
    "SECURE_HSTS_SECONDS": "60",
    "OUTGOING_ALLOWED_NETWORKS": "10.1.0.0/16,fd00::/8",
    "TRUST_FORWARDED_PROTO": "1", "ALIVE_FILE": "/tmp/alive", "DEMO_SHOP": "1",
}  # fmt: skip
NONSENSE = ["zz zz", "-7", "9" * 30, "7e7", "$zz", "#zz", '"77"', "7,;7", "zz\n77", "/no/where/zz", "http://zz:zz/"]
# Variables that accept any text, or these values.
PRINTABLE = [value for value in NONSENSE if " " not in value and "\n" not in value]
TAKES = {
    "DATABASE_PASSWORD": ["zz zz", *PRINTABLE], "METRICS_TOKEN": PRINTABLE, "ALLOWED_HOSTS": ["9" * 30, "7e7"],
    "PROMETHEUS_MULTIPROC_DIR": [value for value in NONSENSE if "\n" not in value],
    "ALIVE_FILE": [*PRINTABLE[:-2], "zz zz"], "SHOP_ID": ["-7", "9" * 30, "7e7"],
    "SENTRY_ENVIRONMENT": ["9" * 30, "7e7"], "SENTRY_RELEASE": ["9" * 30, "7e7"],
    "PAYMENT_RETURN_HOSTS": ["9" * 30, "7e7"], "DATABASE_APPLICATION_NAME": ["9" * 30, "7e7"],
}  # fmt: skip
SECRETS = ["$x" + KEY, "#x" + KEY, f'"{KEY}"', f"'{KEY}", "$" + "DATABASE_URL" + KEY, KEY + "$#\\"]


def documented() -> list[str]:
    """Return what the settings read of .env.example, also what is commented out, and the port of a local system."""
    text = (PROJECT / ".env.example").read_text().partition("# --- Only docker-compose.yml reads these")[0]
    return [*re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", text, re.M), "PORT"]


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Returns a function that evaluates the settings under these variables only and returns them."""
    monkeypatch.chdir(tmp_path)

    def started(**variables: str) -> dict:
        elsewhere = {"ENV_FILE": str(tmp_path / "env"), "STATE_DIR": str(tmp_path / "state")}
        with patch.dict(os.environ, elsewhere | REQUIRED | variables, clear=True):
            found = runpy.run_path(str(SETTINGS))
        return {name: value for name, value in found.items() if name.isupper() and name not in {"UNFOLD", "STORAGES"}}

    return started


def refusal(started, **variables: str) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        started(**variables)
    return str(refused.value)


def test_every_variable_is_tried():
    assert sorted(USABLE) == sorted(set(documented()))


@pytest.mark.parametrize("name", USABLE)
def test_an_invalid_value_is_refused_with_the_variables_name_and_what_is_expected(started, name):
    for value in NONSENSE:
        if value in TAKES.get(name, []):
            continue
        said = refusal(started, **{name: value})

        assert re.match(rf"{name}(:| must| is) ", said), said
        assert "zz" not in said.replace("/no/where", "")
        assert "77" not in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", USABLE)
def test_whitespace_around_a_value_is_ignored(started, tmp_path, name):
    plain = started(**{name: USABLE[name]})
    (tmp_path / "value").write_text(f"\ufeff \t{USABLE[name]} \r\n\n", encoding="utf-8")
    (tmp_path / "env").write_text(f"# A comment\r\n\r\nexport {name} = {USABLE[name]} \r\n", encoding="utf-8")
    other = {required: value for required, value in REQUIRED.items() if required != name}

    assert started(**{name: f" \t{USABLE[name]}\r\n"}) == plain
    assert started(**{f"{name}_FILE": str(tmp_path / "value"), name: "unused"}) == plain
    with patch.dict(REQUIRED, other, clear=True):
        assert started() == plain
    (tmp_path / "env").unlink()
    assert plain != started() or name in {"LOCAL_MODE", "PROMETHEUS_MULTIPROC_DIR"} or USABLE[name] == "0"


RENAMED = {
    "MAX_CONCURRENT_HOLDS": "HOLDS_AT_ONCE", "WEB_REQUESTS": "WEB_THREADS", "LOGIN_MAX_FAILURES": "SIGN_IN_FAILURES",
    "LOGIN_LOCKOUT_MINUTES": "SIGN_IN_LOCKED_MINUTES",
}  # fmt: skip


@pytest.mark.parametrize("name", RENAMED)
def test_a_renamed_variable_is_read_by_its_former_name_too_and_the_present_one_wins(started, name):
    former = RENAMED[name]

    assert started(**{former: USABLE[name]}) == started(**{name: USABLE[name], former: "3"})
    assert started(**{former: USABLE[name]}) != started()
    assert re.match(rf"{former} must be ", refusal(started, **{former: "zz"}))


@pytest.mark.parametrize("empty", ["", "  ", "\n"], ids=repr)
def test_an_empty_variable_counts_as_unset(started, empty):
    optional = [name for name in USABLE if name not in REQUIRED]

    assert started(**dict.fromkeys(optional, empty)) == started()


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_as_it_stands(started, tmp_path, secret):
    (tmp_path / "secret").write_text(secret + "\n")
    (tmp_path / "production.env").write_text(f"SECRET_KEY='{secret}'\n")

    found = [
        started(SECRET_KEY=secret, DATABASE_PASSWORD=secret),
        started(SECRET_KEY_FILE=str(tmp_path / "secret"), DATABASE_PASSWORD_FILE=str(tmp_path / "secret")),
    ]
    with patch.dict(REQUIRED, {"DATABASE_URL": URL}, clear=True):
        found.append(started(ENV_FILE=str(tmp_path / "production.env"), DATABASE_PASSWORD=secret))

    assert [settings["SECRET_KEY"] for settings in found] == [secret] * 3
    assert [settings["DATABASES"]["default"]["PASSWORD"] for settings in found] == [secret] * 3


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (f"SECRET_KEY=$x{KEY}", f"$x{KEY}"),
        (f"SECRET_KEY=#x{KEY}", f"#x{KEY}"),
        (f'SECRET_KEY="{KEY} "', f"{KEY}"),
        (f'SECRET_KEY="{KEY}\\"\\\\"', f'{KEY}"\\'),
        (f"SECRET_KEY='{KEY}\\'", f"{KEY}\\"),
        (f"SECRET_KEY={KEY} # no comment", f"{KEY} # no comment"),
    ],
)
def test_a_line_of_the_env_file_is_taken_as_it_stands_without_its_quotes(started, tmp_path, line, value):
    (tmp_path / "env").write_text(line)

    with patch.dict(REQUIRED, {"DATABASE_URL": URL}, clear=True):
        assert started()["SECRET_KEY"] == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"SECRET_KEY\n", "line 1, must be NAME=value, or a comment that begins with #."),
        (b"DEBUG=0\n\npassword: secret", "line 3, must be NAME=value, or a comment that begins with #."),
        (b"DEBUG=\xff", "cannot be read: it must be UTF-8."),
    ],
)
def test_an_env_file_that_cannot_be_read_is_named_with_its_line(started, tmp_path, content, said):
    (tmp_path / "env").write_bytes(content)

    assert refusal(started) in {f"{tmp_path}/env, {said}", f"{tmp_path}/env {said}"}


def test_lists_ignore_whitespace_and_empty_items(started, tmp_path):
    (tmp_path / "secrets").write_text(" whsec_one ,\n\twhsec_two,\r\n\n")

    found = started(
        ALLOWED_HOSTS=" a.test , b.test,, ,[::1]",
        CORS_ALLOWED_ORIGINS="https://a.test, https://b.test:8443\n",
        STANDARD_WEBHOOK_SECRETS=f" {WEBHOOK_SECRET} , {WEBHOOK_SECRET}\n",
        STRIPE_WEBHOOK_SECRETS_FILE=str(tmp_path / "secrets"),
    )

    assert found["ALLOWED_HOSTS"] == ["a.test", "b.test", "[::1]"]
    assert found["CORS_ALLOWED_ORIGINS"] == ["https://a.test", "https://b.test:8443"]
    assert found["STANDARD_WEBHOOK_KEYS"] == [b"abcdefghijklmnopqrstuvwxyz"] * 2
    assert found["STRIPE_WEBHOOK_SECRETS"] == ["whsec_one", "whsec_two"]


@pytest.mark.parametrize(
    "password", ["pa#s5w", "12#s5w", "pa/s5w", "12/s5w", "pa?s5w", "12?s5w", "s5w:pa/", "[s5w", "s5w]"]
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"])
def test_a_password_that_is_not_percent_encoded_is_refused_and_not_quoted(started, name, password):
    scheme = "postgresql" if name == "DATABASE_URL" else "redis"

    said = refusal(started, **{name: f"{scheme}://user:{password}@db:5432/1"})

    assert said.startswith(f"{name} must be {scheme}://")
    assert "s5w" not in said
    assert "pa" not in said.replace("password", "").replace("unix:///path", "").replace("socket:///path", "")


@pytest.mark.parametrize("password", ["pa#s5w", "pa/s5w", "pa?s5w", "[s5w"])
@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_a_bad_address_of_sentinels_is_refused_and_not_quoted(started, name, password):
    said = refusal(started, **{name: f"redis+sentinel://user:{password}@s1:26379,s2:26379/shop/1"})

    assert said.startswith(f"{name} must be redis://")
    assert "s5w" not in said


@pytest.mark.parametrize(
    "url",
    [
        "nonsense", "postgresql://", "postgresql://db", "postgresql://db/", "mysql://db/sale", "sqlite:///x", "http://db/x",
        "postgresql://db:port/x", "postgresql://db:99999/x", "postgresql://db/x?nonsense=1", "postgresql://[::1/x",
        "postgresql://db/x?conn_max_age=never", "postgresql://db/x#y",
        "postgresql://a,b/x", "postgresql://a:1,b:2/x?target_session_attrs=any", "postgresql://u@/x?host=a,b",
        "postgresql://a/x?target_session_attrs=standby", "postgresql://a/x?options=-csearch_path%3Dx",
        "postgresql://a/x?sslmode=verify", "postgresql://a:0/x", "postgresql://u:p@ss@a/x",
        *(f"postgresql://{hosts}/x?target_session_attrs=primary" for hosts in ("a:x,b", "a,b:99999", "a,,b", "a, b")),
    ],
)  # fmt: skip
def test_an_invalid_database_url_is_refused(started, url):
    assert refusal(started, DATABASE_URL=url).startswith("DATABASE_URL ")


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p%40ss@db/x", "postgresql://u@a:5432,b:5433/x?target_session_attrs=read-write",
        "postgresql://u@/x?host=%2Ftmp&port=5432", "postgresql://u@[::1]:5432/x?sslmode=require&conn_max_age=60",
    ],
)  # fmt: skip
def test_a_valid_database_url_is_accepted(started, url):
    assert started(DATABASE_URL=url)["DATABASES"]["default"]["NAME"] == "x"


def test_each_of_several_hosts_has_its_own_port(started):
    url = "postgresql://u@a:6000,b,[::1]:7/x?target_session_attrs=read-write"

    database = started(DATABASE_URL=url)["DATABASES"]["default"]

    assert (database["HOST"], database["PORT"]) == ("a,b,::1", "6000,5432,7")


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/0?nonsense=1", "redis://h/0?socket_timeout=x", "rediss://h/0?ssl_cert_reqs=bogus",
        "redis+sentinel://u:p@a,u:p@b/shop", "redis+sentinel://a;b/shop", "redis+sentinel://a b/shop",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_an_address_that_would_fail_with_the_first_connection_is_refused(started, name, url):
    assert refusal(started, **{name: url}).startswith(f"{name} must be redis://")


def test_a_broker_whose_sentinels_contradict_each_other_is_refused(started):
    assert refusal(started, CELERY_BROKER_URL="sentinel://a/1;sentinel://b/2").startswith("CELERY_BROKER_URL ")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_*", "whsec_YQ", "YWJj", "whsec_YWJj,nonsense"])
def test_a_malformed_webhook_secret_stops_the_start(started, secret):
    assert refusal(started, STANDARD_WEBHOOK_SECRETS=secret).startswith("STANDARD_WEBHOOK_SECRETS: ")


@pytest.mark.parametrize("secret", ["whsec_", "YWJj", "whsec_a b", "whsec_a,b"])
def test_a_malformed_stripe_secret_stops_the_start(started, secret):
    assert refusal(started, STRIPE_WEBHOOK_SECRETS=secret).startswith("STRIPE_WEBHOOK_SECRETS must be ")


def test_stripes_address_is_https_in_production_and_may_be_a_double_in_local_mode(started):
    double = "http://127.0.0.1:8001"

    assert refusal(started, STRIPE_API_BASE=double).startswith("STRIPE_API_BASE must be an address such as https://")
    assert started(STRIPE_API_BASE=double, LOCAL_MODE="1")["STRIPE_API_BASE"] == double


def test_a_maximum_hold_below_the_default_lowers_the_default(started):
    assert started(HOLD_TTL_MAX_SECONDS="60")["HOLD_TTL_SECONDS"] == 60
    assert "from 10 to 60" in refusal(started, HOLD_TTL_MAX_SECONDS="60", HOLD_TTL_SECONDS="61")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (("manage.py", "check"), "manage.py"),
        (("manage.py", "migrate"), "manage.py"),
        (("-m", "flashsale.server"), "flashsale.server"),
        (("-m", "celery", "-A", "flashsale", "worker"), "celery"),
        (("-m", "celery", "--quiet", "-A", "flashsale", "beat"), "celery"),
    ],
)
def test_every_program_ends_with_one_line(tmp_path, program, name):
    environment = {"ENV_FILE": str(tmp_path / "env"), "STATE_DIR": str(tmp_path)} | REQUIRED

    ended = subprocess.run(
        [sys.executable, *program],
        cwd=PROJECT,
        env=environment | {"HOLD_TTL_SECONDS": "abc"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{name}: HOLD_TTL_SECONDS must be a whole number from 10 to 600.\n"


def test_the_shop_makes_payments_with_two_keys_of_one_mode_and_a_name(started):
    live = {"STRIPE_API_KEY": "rk_live_1", "STRIPE_PUBLISHABLE_KEY": "pk_live_1", "SHOP_ID": "shop-1"}
    test = {"STRIPE_API_KEY": "sk_test_1", "STRIPE_PUBLISHABLE_KEY": "pk_test_1", "SHOP_ID": "shop-1"}

    assert started(**live)["SHOP_MAKES_PAYMENTS"]
    assert started(**test)["SHOP_MAKES_PAYMENTS"]
    for name in ("STRIPE_API_KEY", "STRIPE_PUBLISHABLE_KEY"):
        assert not started(**live | {name: ""})["SHOP_MAKES_PAYMENTS"]
        assert "must be of one mode" in refusal(started, **live | {name: test[name]})
    assert "must be of one mode" in refusal(started, **live, STRIPE_LIVEMODE="0")
    assert refusal(started, **live | {"SHOP_ID": ""}).startswith("SHOP_ID must name this shop")
