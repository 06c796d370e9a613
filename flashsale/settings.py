"""Settings of every deployment: one file, the differences come from the environment (all names: `.env.example`).

Local mode (`LOCAL_MODE=1`, written by `make run` to `STATE_DIR/local.env`) uses the embedded servers where no URL is
given. Everything else is production and refuses to start with a missing or default secret or without a database.
"""

import re

from django.core.exceptions import ImproperlyConfigured

from flashsale import server
from flashsale.api.openapi.settings import SPECTACULAR_SETTINGS  # noqa: F401  drf-spectacular reads it here
from flashsale.core import webhook_signatures
from flashsale.core.configuration import brokers, database_connections, database_url, redis_urls, secret_keys
from flashsale.core.configuration import environment as env
from flashsale.core.configuration.networks import networks
from flashsale.local import servers
from flashsale.observability import logs
from flashsale.staff.theme_settings import UNFOLD  # noqa: F401  the admin's theme reads it here

BASE_DIR = env.BASE_DIR
STATE_DIR = env.state_dir()
for file in (env.env_file(), STATE_DIR / "local.env"):
    env.read_env_file(file)

LOCAL_MODE = env.flag("LOCAL_MODE", default=False)
DEBUG = env.flag("DEBUG", default=False)

HOUR_MS, DAY_SECONDS = 3_600_000, 24 * 3_600


def _database() -> dict:
    config, password = database_url.database("DATABASE_URL"), env.text("DATABASE_PASSWORD")
    if config:
        # DATABASE_PASSWORD can come from a secret file, so that the URL contains no secret.
        return config | {"PASSWORD": password or config["PASSWORD"]}
    if LOCAL_MODE:
        return {"ENGINE": database_url.BACKEND, **servers.database_settings(STATE_DIR)}
    raise ImproperlyConfigured("DATABASE_URL is not set. Only local mode (`make run`) brings its own PostgreSQL.")


SECRET_KEY = secret_keys.current()
SECRET_KEY_FALLBACKS = secret_keys.former()
ALLOWED_HOSTS = env.items(
    "ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]"] if LOCAL_MODE else [],
    like=env.HOST_OR_PATTERN,
    expected="host names without scheme and port, such as shop.example.com",
)
CSRF_TRUSTED_ORIGINS = env.items(
    "CSRF_TRUSTED_ORIGINS",
    like=env.ORIGIN_OR_PATTERN,
    expected="origins without a path, such as https://shop.example.com",
)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "flashsale.apps.SaleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "pgtrigger",
    "pghistory",
    "flashsale.core.submissions",
    "flashsale.outbox",
    "flashsale.demo_shop",
    "catalog",
    "checkout",
    "checkout.waiting_room",
    "payments",
    "flashsale.apps.FlashsaleConfig",
]

MIDDLEWARE = [
    # Requests under /api pass none of the rest (flashsale/api/handler.py).
    "flashsale.api.handler.ApiMiddleware",
    "flashsale.observability.prometheus.MetricsMiddleware",
    "flashsale.api.middleware.RequestIdMiddleware",
    "flashsale.api.middleware.RateLimitHeadersMiddleware",
    "flashsale.web.content_security.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "flashsale.observability.health.HealthMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "flashsale.staff.logins.sessions.StaffSessionsMiddleware",
    "flashsale.staff.admin_input.AdminInputMiddleware",
    "flashsale.staff.history.AdminHistoryMiddleware",
    "flashsale.staff.refusals.StaffRefusalsMiddleware",
]

# --- Log-ins of staff -------------------------------------------------------------------------------------------------
# Bounds concurrent hashes, and holds no database connection while hashing (flashsale/staff/logins/passwords.py).
PASSWORD_HASHERS = ["flashsale.staff.logins.passwords.BoundedPasswordHasher"]
# After so many wrong passwords a user name is locked for the address that sent them, and for no other.
_failures_name = env.name_in_use("LOGIN_MAX_FAILURES", formerly="SIGN_IN_FAILURES")
LOGIN_MAX_FAILURES = env.whole(_failures_name, default=5, least=1, most=1_000)
_lockout_name = env.name_in_use("LOGIN_LOCKOUT_MINUTES", formerly="SIGN_IN_LOCKED_MINUTES")
LOGIN_LOCKOUT_MINUTES = env.whole(_lockout_name, default=15, least=1, most=365 * 24 * 60)
# Log-ins a minute for each address or known browser, and for all unknown browsers together; 0: no limit.
LOGINS_PER_MINUTE = env.whole("LOGINS_PER_MINUTE", default=30, least=0, most=1_000_000)
LOGINS_PER_MINUTE_OVERALL = env.whole("LOGINS_PER_MINUTE_OVERALL", default=120, least=0, most=1_000_000)
# Staff are logged out after so long without doing anything, and after so long in any case.
STAFF_IDLE_MINUTES = env.whole("STAFF_IDLE_MINUTES", default=60, least=1, most=365 * 24 * 60)
SESSION_COOKIE_AGE = env.whole("STAFF_SESSION_HOURS", default=12, least=1, most=365 * 24) * 3600
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
LOGOUT_REDIRECT_URL = "admin:login"
OTP_TOTP_ISSUER = "Flash sale"

ROOT_URLCONF = "flashsale.urls"
CSRF_FAILURE_VIEW = "flashsale.web.error_pages.csrf_failure"
WSGI_APPLICATION = "flashsale.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before those of the apps: our templates replace some of the admin's theme.
        "DIRS": [BASE_DIR / "flashsale/templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- PostgreSQL -------------------------------------------------------------------------------------------------------
# Every lock, statement and idle transaction has a timeout: a frozen worker loses its locks after
# DATABASE_IDLE_TRANSACTION_MS, so it cannot stop a sale.
DATABASE_LOCK_TIMEOUT_MS = env.whole("DATABASE_LOCK_TIMEOUT_MS", default=2_000, least=1, most=HOUR_MS)
DATABASE_STATEMENT_TIMEOUT_MS = env.whole("DATABASE_STATEMENT_TIMEOUT_MS", default=10_000, least=1, most=HOUR_MS)
DATABASE_IDLE_TRANSACTION_MS = env.whole("DATABASE_IDLE_TRANSACTION_MS", default=5_000, least=1, most=HOUR_MS)
# A COMMIT that waits longer for a synchronous standby is cancelled; whether it lasts is unknown then.
DATABASE_COMMIT_SECONDS = env.whole("DATABASE_COMMIT_SECONDS", default=5, least=1, most=3_600)
# Connections one web process keeps at most; 0 opens one connection a thread (commands, workers). wsgi.py sets it.
DATABASE_POOL_MAX = env.whole("DATABASE_POOL_MAX", default=0, least=0, most=1_000)
DATABASE_POOL_WAIT_SECONDS = 2

# Whether PgBouncer, or another pooler of transactions, stands before the database.
DATABASE_POOLER = env.flag("DATABASE_POOLER", default=False)

DATABASES = {"default": _database()}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A cursor of the server lives longer than the transaction for which a pooler gives a connection.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_POOLER
DATABASES["default"]["OPTIONS"] = DATABASES["default"].get("OPTIONS", {}) | database_connections.connection_options(
    timeouts_ms={
        "lock_timeout": DATABASE_LOCK_TIMEOUT_MS,
        "statement_timeout": DATABASE_STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": DATABASE_IDLE_TRANSACTION_MS,
    },
    has_pooler=DATABASE_POOLER,
)
if DATABASE_POOL_MAX:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_MAX,
        "timeout": DATABASE_POOL_WAIT_SECONDS,
        # Give up a failed attempt to connect after 1 s and begin a new one. With the default of 300 s each attempt
        # backs off exponentially, so that the pool stays empty long after PostgreSQL is back.
        "reconnect_timeout": 1,
    }
EMBEDDED_POSTGRES = LOCAL_MODE and not env.text("DATABASE_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey/Redis and Celery ------------------------------------------------------------------------------------------
EMBEDDED_VALKEY = LOCAL_MODE and not env.text("REDIS_URL")
if EMBEDDED_VALKEY:
    REDIS_URL = servers.urls(STATE_DIR).redis
    _broker_url = redis_urls.broker_url("CELERY_BROKER_URL", default=servers.urls(STATE_DIR).broker)
else:
    REDIS_URL = redis_urls.redis_url("REDIS_URL", default="redis://127.0.0.1:6379/0")
    _broker_url = redis_urls.broker_url("CELERY_BROKER_URL", default=brokers.broker_of(REDIS_URL))
# Redis is a cache, never authoritative: every call has a short timeout and a fallback.
REDIS_TIMEOUT_SECONDS = 0.25
# The file that a living worker or beat touches, for health checks; none by default.
ALIVE_FILE = env.new_file("ALIVE_FILE")

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS, CELERY_BROKER_USE_SSL = brokers.settings_of(
    _broker_url, redis_url=REDIS_URL
)
# Celery prefers the environment's CELERY_BROKER_URL, as it stands there, to the setting of that name, but not to these.
CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CELERY_BROKER_URL

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ROUTES = {
    "checkout.tasks.expire_*": {"queue": "expiry"},
    "payments.tasks.start_and_close_*": {"queue": "payments"},
    "flashsale.outbox.tasks.send_*": {"queue": "webhooks"},
}
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
# A task is acknowledged before it runs: the beat sends it again anyway, and a lost one must not delay a restart.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# None: without a limit.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BEAT_SCHEDULER = "flashsale.beat.scheduler:LeasedScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_TIMEZONE = "UTC"

# --- HTTP API ---------------------------------------------------------------------------------------------------------
MAX_BODY_BYTES = 256 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["flashsale.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["flashsale.api.authentication.HasApiAccess"],
    "DEFAULT_THROTTLE_CLASSES": ["flashsale.api.rate_limits.RateLimit"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["flashsale.core.rest.parsing.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "flashsale.core.rest.parsing.ExactContentNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_PAGINATION_CLASS": "flashsale.core.rest.pagination.IdCursorPagination",
    "EXCEPTION_HANDLER": "flashsale.api.errors.problem_response",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# --- API access, rate limits, CORS ------------------------------------------------------------------------------------
API_ACCESS = env.choice("API_ACCESS", "public", "token", default="public")


def _a_minute(name: str, production: int) -> int:
    return env.whole(name, default=0 if LOCAL_MODE else production, least=0, most=1_000_000_000)


# Requests a minute for each address, and for each API token; 0 is no limit.
RATE_LIMITS = {
    "holds": _a_minute("HOLDS_PER_MINUTE", 30),
    "changes": _a_minute("CHANGES_PER_MINUTE", 120),
    "reads": _a_minute("READS_PER_MINUTE", 600),
    "joins": _a_minute("JOINS_PER_MINUTE", 30),
    # Failures, counted by address for all views together.
    "wrong_tokens": _a_minute("WRONG_TOKENS_PER_MINUTE", 60),
    "refused_deliveries": _a_minute("REFUSED_DELIVERIES_PER_MINUTE", 60),
}
TOKEN_RATE_LIMITS = {
    "holds": _a_minute("TOKEN_HOLDS_PER_MINUTE", 6_000),
    "changes": _a_minute("TOKEN_CHANGES_PER_MINUTE", 12_000),
    "reads": _a_minute("TOKEN_READS_PER_MINUTE", 60_000),
    "joins": _a_minute("TOKEN_JOINS_PER_MINUTE", 60_000),
    # All requests of a token to the back office.
    "backoffice": _a_minute("TOKEN_BACKOFFICE_PER_MINUTE", 1_200),
}
# The number of proxies before this server that append to X-Forwarded-For.
TRUSTED_PROXIES = env.whole("TRUSTED_PROXIES", default=0, least=0, most=100)

CORS_ALLOWED_ORIGINS = env.items(
    "CORS_ALLOWED_ORIGINS", like=env.ORIGIN, expected="origins without a path, such as https://shop.example.com"
)
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ["GET", "POST", "DELETE"]
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-none-match", "queue-ticket", "traceparent",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "Location", "Retry-After", "ETag", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "X-Request-ID",
]  # fmt: skip

# --- The sale ---------------------------------------------------------------------------------------------------------
# Concurrent requests for holds in one web process (`flashsale.core.capacity.shares` has the other limits).
_requests_name = env.name_in_use("WEB_REQUESTS", formerly="WEB_THREADS")
WEB_REQUESTS = env.whole(_requests_name, default=server.REQUESTS, least=1, most=65_536)
_HALF = max(1, WEB_REQUESTS // 2)
_holds_name = env.name_in_use("MAX_CONCURRENT_HOLDS", formerly="HOLDS_AT_ONCE")
MAX_CONCURRENT_HOLDS = min(env.whole(_holds_name, default=_HALF, least=1, most=10_000), _HALF)
HOLD_TTL_MIN_SECONDS = 10
HOLD_TTL_MAX_SECONDS = env.whole("HOLD_TTL_MAX_SECONDS", default=600, least=HOLD_TTL_MIN_SECONDS, most=7 * DAY_SECONDS)
HOLD_TTL_SECONDS = env.whole(
    "HOLD_TTL_SECONDS",
    default=min(120, HOLD_TTL_MAX_SECONDS),
    least=HOLD_TTL_MIN_SECONDS,
    most=HOLD_TTL_MAX_SECONDS,
)
ORDER_PAYMENT_SECONDS = env.whole("ORDER_PAYMENT_SECONDS", default=15 * 60, least=1, most=30 * DAY_SECONDS)
# For how long a ticket that is served may place a hold, and the keys that sign tickets: the first signs, all are valid.
ADMISSION_SECONDS = env.whole("ADMISSION_SECONDS", default=300, least=10, most=DAY_SECONDS)
QUEUE_KEYS = secret_keys.of_queues(SECRET_KEY, *SECRET_KEY_FALLBACKS)

# --- Payment providers ------------------------------------------------------------------------------------------------
STANDARD_WEBHOOK_KEYS = env.each(
    "STANDARD_WEBHOOK_SECRETS",
    env.items("STANDARD_WEBHOOK_SECRETS", like=env.PRINTABLE, expected="webhook secrets (whsec_ and base64)"),
    webhook_signatures.key_of,
)
STRIPE_WEBHOOK_SECRETS = env.items(
    "STRIPE_WEBHOOK_SECRETS", like=re.compile(r"whsec_[!-~]+"), expected="signing secrets of Stripe (whsec_...)"
)
STRIPE_API_KEY = env.text(
    "STRIPE_API_KEY",
    like=re.compile(r"[sr]k_\w+", re.ASCII),
    expected="a key of Stripe (sk_... or rk_...)",
)
# Whether events of Stripe's live mode or of its test mode are accepted.
STRIPE_LIVEMODE = env.flag(
    "STRIPE_LIVEMODE", default=not LOCAL_MODE and (not STRIPE_API_KEY or "_live_" in STRIPE_API_KEY)
)
# Payment Links whose `client_reference_id` names an order. In other links it is not trusted: the buyer can set it.
STRIPE_PAYMENT_LINKS = env.items(
    "STRIPE_PAYMENT_LINKS", like=env.PAYMENT_LINK, expected="ids of Payment Links (plink_...)"
)
# Whether every payment id of a request counts as proved, or only those sent with the token scope payments:claim.
TRUST_CLAIMED_PAYMENT_IDS = env.flag("TRUST_CLAIMED_PAYMENT_IDS", default=LOCAL_MODE)
# For how long after its payment window an order can still be paid, if units are left; later payments are refunded.
LATE_PAYMENT_HOURS = env.whole("LATE_PAYMENT_HOURS", default=72, least=0, most=24 * 365)
# Whether refunds that are due are made through Stripe's API, and at most how many in an hour.
STRIPE_AUTO_REFUND = env.flag("STRIPE_AUTO_REFUND", default=False)
STRIPE_REFUNDS_PER_HOUR = env.whole("STRIPE_REFUNDS_PER_HOUR", default=100, least=0, most=1_000_000)
STRIPE_API_BASE = env.http_url("STRIPE_API_BASE", default="https://api.stripe.com", is_secure=not LOCAL_MODE)
if STRIPE_AUTO_REFUND and (not STRIPE_API_KEY or ("_live_" in STRIPE_API_KEY) is not STRIPE_LIVEMODE):
    raise ImproperlyConfigured("STRIPE_AUTO_REFUND needs a STRIPE_API_KEY of the mode that STRIPE_LIVEMODE says.")
# Payments that the shop makes itself: on with both keys of Stripe, and a name for this shop in Stripe's account.
STRIPE_PUBLISHABLE_KEY = env.text(
    "STRIPE_PUBLISHABLE_KEY", like=re.compile(r"pk_\w+", re.ASCII), expected="a publishable key of Stripe (pk_...)"
)
SHOP_ID = env.text(
    "SHOP_ID", like=re.compile(r"[A-Za-z0-9._-]{1,64}"), expected="1 to 64 letters, digits, dots, dashes, underscores"
)
SHOP_MAKES_PAYMENTS = bool(STRIPE_API_KEY and STRIPE_PUBLISHABLE_KEY)
if SHOP_MAKES_PAYMENTS and not SHOP_ID:
    raise ImproperlyConfigured("SHOP_ID must name this shop, because STRIPE_PUBLISHABLE_KEY lets it make payments.")
if SHOP_MAKES_PAYMENTS and {"_live_" in key for key in (STRIPE_API_KEY, STRIPE_PUBLISHABLE_KEY)} != {STRIPE_LIVEMODE}:
    raise ImproperlyConfigured(
        "STRIPE_API_KEY and STRIPE_PUBLISHABLE_KEY must be of one mode, live or test: that of STRIPE_LIVEMODE."
    )
STRIPE_PAYMENT_MODE = env.choice("STRIPE_PAYMENT_MODE", "intent", "checkout", default="intent")
STRIPE_REQUESTS_PER_SECOND = env.whole("STRIPE_REQUESTS_PER_SECOND", default=20, least=1, most=1_000)
# How long before an order's deadline its payment is closed, at most half of its window.
PAYMENT_CLOSE_SECONDS = env.whole("PAYMENT_CLOSE_SECONDS", default=45, least=1, most=DAY_SECONDS)
# Hosts to which a buyer may return from hosted checkout, besides ALLOWED_HOSTS and the hosts of CORS_ALLOWED_ORIGINS.
PAYMENT_RETURN_HOSTS = env.items(
    "PAYMENT_RETURN_HOSTS", like=re.compile(env.HOST), expected="host names, such as shop.example.com"
)

# --- Webhooks to the shop's back end ----------------------------------------------------------------------------------
# Networks besides the public ones to which events may be sent; in local mode loopback addresses are among them.
OUTGOING_ALLOWED_NETWORKS = networks("OUTGOING_ALLOWED_NETWORKS")

# --- Pages, languages, files ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = ["flashsale.formats"]
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")
# Whether `/` is the demo shop (flashsale/demo_shop); elsewhere it leads to the admin.
DEMO_SHOP = env.flag("DEMO_SHOP", default=LOCAL_MODE)
STATIC_URL = "static/"
STATIC_ROOT = None if LOCAL_MODE else BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = LOCAL_MODE
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL_MODE
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Transport security -----------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=not LOCAL_MODE)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.whole(
    "SECURE_HSTS_SECONDS", default=0 if LOCAL_MODE else 365 * DAY_SECONDS, least=0, most=3_650 * DAY_SECONDS
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL_MODE
X_FRAME_OPTIONS = "DENY"
if env.flag("TRUST_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Logs and metrics -------------------------------------------------------------------------------------------------
# json: one JSON object a line, for programs; text: for people at a terminal.
LOG_FORMAT = env.choice("LOG_FORMAT", "json", "text", default="text" if LOCAL_MODE else "json")
LOG_LEVEL = env.choice("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", default="INFO")
LOGGING = logs.configuration(LOG_FORMAT, level=LOG_LEVEL)
LOGGING_CONFIG = "flashsale.observability.logs.configure"

# Where unexpected exceptions are reported (flashsale/observability/error_reports), and what they are called there.
SENTRY_DSN = env.text("SENTRY_DSN", like=env.DSN, expected="an address such as https://key@sentry.example.com/1")
SENTRY_ENVIRONMENT, SENTRY_RELEASE = (
    env.text(f"SENTRY_{name}", default=default, like=env.LABEL, expected="1 to 64 letters, digits, dots, dashes, plus")
    for name, default in (("ENVIRONMENT", "local" if LOCAL_MODE else "production"), ("RELEASE", ""))
)

# The token that reads /metrics; without one, /metrics is closed except in local mode.
METRICS_TOKEN = env.text("METRICS_TOKEN", like=env.PRINTABLE, expected="printable ASCII characters without blanks")
# The port on which a worker serves its metrics; 0: none.
METRICS_PORT = env.whole("METRICS_PORT", default=0, least=0, most=env.MAX_PORT)
# The folder in which the processes of one machine or container share metrics (see `flashsale.core.metrics`).
PROMETHEUS_MULTIPROC_DIR = env.folder("PROMETHEUS_MULTIPROC_DIR")

# --- The web server (see `flashsale.server`) --------------------------------------------------------------------------
PORT = env.whole("PORT", default=8000, least=1, most=env.MAX_PORT)
WEB_HOST = env.address("WEB_HOST", default="0.0.0.0")  # noqa: S104 - inside a container, behind nginx
# Whether another server may listen on the same port: for restarts that overlap.
REUSE_PORT = env.flag("REUSE_PORT", default=False)
WEB_WORKERS = env.whole("WEB_WORKERS", default=server.WORKERS, least=1, most=256)
# How long a web process that is told to stop goes on with connections that it closes (`flashsale.web.draining`).
WEB_DRAIN_SECONDS = env.whole("WEB_DRAIN_SECONDS", default=0 if LOCAL_MODE else server.DRAIN_SECONDS, least=0, most=60)
