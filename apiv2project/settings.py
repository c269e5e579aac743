"""Where things are. How the service behaves is in `processing.runtime.parameters`."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import dj_database_url
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from apiv2project import environment, storages
from apiv2project.logs import logging_configuration
from processing.operations.backup import swap

BASE_DIR = environment.BASE_DIR
VARIABLES = environment.variables()
ENV = environment.read(VARIABLES)

DATA_DIR = ENV.data_dir.absolute()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
swap.finish(DATA_DIR)  # before anything of the directory is read: a restore that was broken off half-way through

API_V2_VERSION = "2.0.0"
API_V2_PUBLIC_ENDPOINTS = frozenset(ENV.public_endpoints)
API_V2_HOST_NAME = ENV.host_name
NUM_PROXIES = ENV.num_proxies
ENABLE_API_KEY = ENV.enable_api_key
API_KEY_ALLOWED_ENDPOINTS = tuple(ENV.api_key_allowed_endpoints)
API_V2_WEBHOOK_NETWORKS = tuple(ENV.webhook_networks)
API_V2_CONCURRENCY_POLICY = ENV.concurrency_policy

# Django's debug pages would show settings and source to a client: `DEBUG=true` raises the log level alone.
DEBUG = False
SECRET_KEY = ENV.secret_key or environment.kept_secret(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS = ENV.secret_key_fallbacks
ALLOWED_HOSTS = ENV.allowed_hosts
LOGGING = logging_configuration(ENV)
LOGGING_CONFIG = "logging.config.dictConfig"

INSTALLED_APPS = [
    "django_q",  # before processing, whose admin takes its pages away
    "processing",
    "modelsregistry",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "processing.api.requests.RequestMiddleware",
    "processing.api.requests.AddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "processing.api.request_metrics.RequestMetricsMiddleware",
    "axes.middleware.AxesMiddleware",  # the last, so that it sees what the view answered
]

ROOT_URLCONF = "apiv2project.urls"
WSGI_APPLICATION = "apiv2project.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(ENV.database_url or f"sqlite:///{DATA_DIR / 'apiv2.sqlite3'}", conn_max_age=None)
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: writers wait in line instead of failing with "database is locked" when a read turns into a write.
    # synchronous=FULL, the default: a task that was accepted is still there after a power cut
    # (docs/operations/databases.md). 4 MB of cache for each of many connections.
    # secure_delete: what is erased is overwritten in the file, whatever the library was built to do.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous={ENV.sqlite_synchronous}; PRAGMA temp_store=MEMORY; "
            "PRAGMA cache_size=-4000; PRAGMA secure_delete=ON;"
        ),
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Connections are kept, so each request and each task first asks whether its own still works. A server that is gone
    # is noticed within seconds, and what hangs on the server ends there. The URL's own options (`?name=value`) hold.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": f"api-v2 {API_V2_HOST_NAME}",
        "options": "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
        **DATABASES["default"].get("OPTIONS", {}),
    }
REDIS_URL = ENV.redis_url
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The cache holds nothing that must be shared or survive: what processes must agree on is in the database.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

STORAGES = {
    **storages.table(ENV, DATA_DIR),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
API_V2_STORAGE_ELSEWHERE = storages.elsewhere
API_V2_STORAGE_REDIRECTS = ENV.storage_redirects
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, exist_ok=True)
FILE_UPLOAD_HANDLERS = ["processing.api.parsers.NoFiles"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
DATA_UPLOAD_MAX_NUMBER_FILES = 1002  # those of a batch, its list of items, and one more, to be refused as such
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
WEB_METRICS_DIR = DATA_DIR / "metrics"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["processing.access.lockout.LockingBackend"]

# Whoever fails to sign in, here or there, is locked out for a while: a name together with an address, so that nobody
# locks another out. What is tried while the lock holds neither counts nor prolongs it.
AXES_FAILURE_LIMIT = ENV.sign_in_failures
AXES_COOLOFF_TIME = timedelta(seconds=ENV.sign_in_lockout)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "processing.access.lockout.lock_name"
AXES_CLIENT_IP_CALLABLE = "processing.api.addresses.known_address"
AXES_LOCKOUT_CALLABLE = "processing.api.errors.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken", "next"]  # not kept with a failure
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # processing.admin.sign_ins shows them
AXES_VERBOSE = False

# A key of its own: what else is signed with SECRET_KEY is no token.
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=ENV.token_lifetime),
    "SIGNING_KEY": hashlib.sha256(f"api-v2 tokens {SECRET_KEY}".encode()).hexdigest(),
    "USER_ID_CLAIM": "sub",
}

CSRF_FAILURE_VIEW = "processing.api.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins
CORS_ALLOWED_ORIGINS = ENV.cors_allowed_origins
CORS_URLS_REGEX = r"^/api/"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_" + ENV.proxy_https_header.upper().replace("-", "_"), "https") if ENV.proxy_https_header else None
)
SECURE_SSL_REDIRECT = ENV.https
# What programs on this machine ask of the service itself: checks of its health, and Prometheus.
SECURE_REDIRECT_EXEMPT = [r"^(api/v2/health|metrics|health|ready|livez|readyz)/?$"]
SECURE_HSTS_SECONDS = 63_072_000 if ENV.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = ENV.https
SECURE_HSTS_PRELOAD = ENV.https
SESSION_COOKIE_SECURE = ENV.https
CSRF_COOKIE_SECURE = ENV.https
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "apiv2project.formats"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "processing.api.authentication.ApiKeyAuthentication",
        "processing.api.authentication.TokenAuthentication",
        "processing.api.authentication.BrowserSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "processing.api.permissions.SwitchedOn",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["processing.api.throttling.RateThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["processing.api.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "processing.api.schema.Described",
    "EXCEPTION_HANDLER": "processing.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "API v2",
    "DESCRIPTION": "Post a document and a prompt; get an answer with the pages it rests on.",
    "VERSION": API_V2_VERSION,
    "OAS_VERSION": "3.1.0",  # the parameters' own JSON schema is part of it
    "ENUM_NAME_OVERRIDES": {
        "ConversionSource": "processing.api.docling_fields.SOURCES",
        "ConversionState": "processing.api.docling_fields.CONVERTED",
        "ConversionTarget": "processing.api.docling_fields.TARGETS",
        "ConversionTaskState": "processing.api.docling_fields.CONVERTING",
        "HealthStatus": "processing.api.health.HEALTH_STATES",
        "ServiceState": "processing.api.health.SERVICE_STATES",
        "TaskState": "processing.tasks.models.Status",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "DEFAULT_GENERATOR_CLASS": "processing.api.schema.MadeOnce",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "processing.api.schema.errors_are_problems",
        "processing.api.schema.without_trailing_slashes",
        "processing.api.schema.with_rate_limits",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v2",
    "COMPONENT_SPLIT_REQUEST": True,
}

# The cluster keeps the pool of worker processes; what there is to do is read from the Task rows by our broker.
# guard_cycle, queue_limit and ack_failures are what the tests prove; other values change what a crash does.
Q_CLUSTER = {
    "name": "apiv2",
    "broker_class": "processing.queue.broker.TaskBroker",
    "workers": 1,
    "queue_limit": 1,
    "guard_cycle": 0.5,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "recycle": 50,
    "timeout": 90_000,  # seconds: over the longest that a task may be given; the task's own deadline comes first
    "retry": 100_000,
    "scheduler": False,
    "log_level": "WARNING",
}

UNFOLD = {
    "SITE_TITLE": "API v2",
    "SITE_HEADER": "API v2",
    "SITE_SUBHEADER": _("Document processing"),
    "SITE_SYMBOL": "description",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("processing/favicon.svg")}
    ],
    "STYLES": [lambda _request: static("processing/admin.css")],
    "DASHBOARD_CALLBACK": "processing.admin.dashboard.add_figures",
    "SIDEBAR": {"show_search": False, "navigation": "processing.admin.navigation.sidebar"},
}
