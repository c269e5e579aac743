"""The environment and `.env`, read once at start, typed. A malformed value stops the start with a line that names it.

Values that can change while the service runs are not here: they are `processing.runtime.parameters`, which take their
defaults from the same environment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import os
import re
import secrets
import socket
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Json, ValidationError

from apiv2project import storage_variables
from apiv2project.storage_variables import StorageVariables

BASE_DIR = Path(__file__).resolve().parent.parent


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


# Of documents, examples and Django's own `startproject`: a key that anybody can look up signs anybody's session.
# Long enough words that no random key has one by chance.
_PLACEHOLDERS = ("change", "secret", "insecure", "example", "placeholder", "default", "password")
_SHORTEST_KEY = 32  # characters
_FEWEST_LETTERS = 10  # that differ


def _no_placeholder(value: str) -> str:
    """Raises `ValueError` for a key that was not made by chance, as far as that can be told."""
    is_short = len(value) < _SHORTEST_KEY or len(set(value)) < _FEWEST_LETTERS
    if value and (is_short or any(word in value.lower() for word in _PLACEHOLDERS)):
        raise ValueError(
            f"this takes at least {_SHORTEST_KEY} random characters and no placeholder, such as what prints: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'. Without the variable, a key is made and "
            "kept in the data directory"
        )
    return value


def _token(value: str) -> str:
    """What a header can carry, and nobody guesses."""
    if value and not re.fullmatch(r"[\x21-\x7e]{16,500}", value):
        raise ValueError("this takes 16 to 500 printable ASCII characters without spaces")
    return value


def _threads(read: dict[str, Any]) -> int:
    """On PostgreSQL each has a connection of its own, and those of a host must fit into the server's default of 100."""
    return 16 if read["database_url"].startswith(("postgres", "pgsql")) else 64


# What they hold is in no terminal and no log.
_UNTOLD = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "API_V2_METRICS_TOKEN", *storage_variables.UNTOLD)


def _path(value: str) -> str:
    """A path of the API, such as `/api/v2/process`; no address, no pattern."""
    if not re.fullmatch(r"/[\w/.~<>{}-]*", value, re.ASCII):
        raise ValueError("takes paths such as /api/v2/process, separated by commas")
    return value


def _redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("Takes a URL such as redis://host:6379/0")
    if importlib.util.find_spec("redis") is None:
        raise ValueError("The client is missing: pip install --require-hashes -r requirements/redis.txt")
    return url


def _appendable(path: str) -> str:
    """A file that this process can write to; asked by doing so, for who runs the service learns of it here or never."""
    try:
        if path:
            Path(path).open("a").close()
    except OSError as error:
        raise ValueError(f"The file cannot be written ({error.strerror})") from None
    return path


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("takes networks such as 10.1.0.0/16, separated by commas") from None


Words = Annotated[list[str], BeforeValidator(_split)]
Paths = Annotated[list[Annotated[str, AfterValidator(_path)]], BeforeValidator(_split)]
Networks = Annotated[list[Annotated[Any, AfterValidator(_network)]], BeforeValidator(_split)]
Secret = Annotated[str, AfterValidator(_no_placeholder)]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(lambda value: str(value).lower())]
Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda value: str(value).upper())
]


class Environment(StorageVariables):
    """Where things are and how the service is reached. The field's alias is the variable's name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data_dir: Path = Field(BASE_DIR / "data", alias="API_V2_DATA_DIR")
    database_url: str = Field("", alias="DATABASE_URL")
    sqlite_synchronous: Annotated[Literal["FULL", "NORMAL"], BeforeValidator(lambda value: str(value).upper())] = Field(
        "FULL", alias="API_V2_SQLITE_SYNCHRONOUS"
    )
    secret_key: Secret = Field("", alias="SECRET_KEY")
    redis_url: Annotated[str, AfterValidator(_redis)] = Field("", alias="REDIS_URL")
    secret_key_fallbacks: Words = Field([], alias="SECRET_KEY_FALLBACKS")
    host_name: str = Field(default_factory=socket.gethostname, alias="API_V2_HOST_NAME", max_length=200)
    host: str = Field("127.0.0.1", alias="HOST")
    port: int = Field(3000, alias="PORT", ge=1, le=65535)
    streams_port: int | None = Field(None, alias="API_V2_STREAMS_PORT", ge=1, le=65535)
    web_processes: int = Field(2, alias="API_V2_WEB_PROCESSES", ge=1, le=64)
    web_threads: int = Field(default_factory=_threads, alias="API_V2_WEB_THREADS", ge=16, le=1024)
    allowed_hosts: Words = Field(["localhost", "127.0.0.1", "[::1]"], alias="ALLOWED_HOSTS")
    csrf_trusted_origins: Words = Field([], alias="CSRF_TRUSTED_ORIGINS")
    cors_allowed_origins: Words = Field([], alias="CORS_ALLOWED_ORIGINS")
    https: bool = Field(default=False, alias="API_V2_HTTPS")
    proxy_https_header: str = Field("", alias="API_V2_PROXY_HTTPS_HEADER")
    num_proxies: int = Field(0, alias="NUM_PROXIES", ge=0, le=32)
    public_endpoints: Words = Field(["health", "models", "config"], alias="API_V2_PUBLIC_ENDPOINTS")
    enable_api_key: bool = Field(default=True, alias="ENABLE_API_KEY")
    api_key_allowed_endpoints: Paths = Field([], alias="API_KEY_ALLOWED_ENDPOINTS")
    token_lifetime: int = Field(43_200, alias="API_V2_TOKEN_LIFETIME", ge=60, le=31_536_000)
    sign_in_failures: int = Field(5, alias="API_V2_SIGN_IN_FAILURES", ge=1, le=1000)
    sign_in_lockout: int = Field(900, alias="API_V2_SIGN_IN_LOCKOUT", ge=1, le=604_800)
    concurrency_policy: Literal["safe", "recommended", "optimal"] = Field("safe", alias="API_V2_CONCURRENCY_POLICY")
    local_llm: Literal["auto", "off"] = Field("auto", alias="API_V2_LOCAL_LLM")
    local_llm_context: int = Field(8192, alias="API_V2_LOCAL_LLM_CONTEXT", ge=256, le=1_048_576)
    local_llm_idle: int = Field(300, alias="API_V2_LOCAL_LLM_IDLE", ge=1, le=86_400)
    webhook_networks: Networks = Field([], alias="API_V2_WEBHOOK_NETWORKS")
    metrics_token: Annotated[str, AfterValidator(_token)] = Field("", alias="API_V2_METRICS_TOKEN")
    metrics_host: str = Field("", alias="API_V2_METRICS_HOST")
    metrics_port: int | None = Field(None, alias="API_V2_METRICS_PORT", ge=1, le=65535)
    debug: bool = Field(default=False, alias="DEBUG")
    log_level: Level = Field("INFO", alias="OPEN_WEBUI_LOG_LEVEL")
    src_log_levels: Json[dict[str, Level]] = Field(default_factory=dict, alias="SRC_LOG_LEVELS")
    log_format: LogFormat = Field("text", alias="API_V2_LOG_FORMAT")
    log_file: Annotated[str, AfterValidator(_appendable)] = Field("", alias="API_V2_LOG_FILE")


def variables(env_file: Path | None = None) -> dict[str, str]:
    """All variables: those of `.env` (quotes and inline comments as dotenv reads them), overruled by the process's.

    `API_V2_ENV_FILE` names another file than `.env` beside `manage.py`; an empty variable counts as not set.
    """
    path = env_file or Path(os.environ.get("API_V2_ENV_FILE") or BASE_DIR / ".env")
    found = {**dotenv_values(path, interpolate=False), **os.environ}
    return {name: value for name, value in found.items() if value}


def read(values: dict[str, str]) -> Environment:
    """The typed environment; ends the process with one line per malformed variable."""
    try:
        return Environment.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == "default_factory_not_called":
                continue  # for want of another, which is named
            name = ".".join(str(part) for part in problem["loc"])
            if name in Environment.model_fields:  # A default is named by its field.
                name = str(Environment.model_fields[name].alias)
            given = "" if name.startswith(_UNTOLD) or problem["input"] == "" else f" (got {problem['input']!r})"
            sys.stderr.write(f"{name}: {problem['msg'].removeprefix('Value error, ')}{given}\n")
        raise SystemExit(2) from None


def kept_secret(path: Path) -> str:
    """The secret in `path`, made on the first call: 50 random bytes, mode 0600, the same for processes that race."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # made with mode 0600
            draft.write(secrets.token_urlsafe(50))
            draft.flush()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft.name)
    return path.read_text().strip()
