"""The environment and `.env`, read once at start, typed. A malformed value stops the start with a line that names it.

Values that can change while the service runs are not here: they are `processing.runtime.parameters`, which take their
defaults from the same environment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError

BASE_DIR = Path(__file__).resolve().parent.parent


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _threads(read: dict[str, Any]) -> int:
    """On PostgreSQL each has a connection of its own, and those of a host must fit into the server's default of 100."""
    return 16 if read["database_url"].startswith(("postgres", "pgsql")) else 64


def _redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("Takes a URL such as redis://host:6379/0")
    if importlib.util.find_spec("redis") is None:
        raise ValueError("The client is missing: pip install --require-hashes -r requirements/redis.txt")
    return url


_MAY_HOLD_A_PASSWORD = ("REDIS_URL",)

Words = Annotated[list[str], BeforeValidator(_split)]
Upper = Annotated[str, BeforeValidator(lambda value: str(value).upper())]


class Environment(BaseModel):
    """Where things are and how the service is reached. The field's alias is the variable's name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data_dir: Path = Field(BASE_DIR / "data", alias="API_V2_DATA_DIR")
    database_url: str = Field("", alias="DATABASE_URL")
    redis_url: Annotated[str, AfterValidator(_redis)] = Field("", alias="REDIS_URL")
    secret_key: str = Field("", alias="SECRET_KEY")
    secret_key_fallbacks: Words = Field([], alias="SECRET_KEY_FALLBACKS")
    host_name: str = Field(default_factory=socket.gethostname, alias="API_V2_HOST_NAME", max_length=200)
    host: str = Field("127.0.0.1", alias="HOST")
    port: int = Field(3000, alias="PORT", ge=1, le=65535)
    web_processes: int = Field(2, alias="API_V2_WEB_PROCESSES", ge=1, le=64)
    web_threads: int = Field(default_factory=_threads, alias="API_V2_WEB_THREADS", ge=16, le=1024)
    allowed_hosts: Words = Field(["localhost", "127.0.0.1", "[::1]"], alias="ALLOWED_HOSTS")
    csrf_trusted_origins: Words = Field([], alias="CSRF_TRUSTED_ORIGINS")
    cors_allowed_origins: Words = Field([], alias="CORS_ALLOWED_ORIGINS")
    https: bool = Field(default=False, alias="API_V2_HTTPS")
    proxy_https_header: str = Field("", alias="API_V2_PROXY_HTTPS_HEADER")
    public_endpoints: Words = Field(["health", "models", "config"], alias="API_V2_PUBLIC_ENDPOINTS")
    concurrency_policy: Literal["safe", "recommended", "optimal"] = Field("safe", alias="API_V2_CONCURRENCY_POLICY")
    local_llm: Literal["auto", "off"] = Field("auto", alias="API_V2_LOCAL_LLM")
    local_llm_context: int = Field(8192, alias="API_V2_LOCAL_LLM_CONTEXT", ge=256, le=1_048_576)
    local_llm_idle: int = Field(300, alias="API_V2_LOCAL_LLM_IDLE", ge=1, le=86_400)
    debug: bool = Field(default=False, alias="DEBUG")
    log_level: Upper = Field("INFO", alias="OPEN_WEBUI_LOG_LEVEL", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    src_log_levels: Json[dict[str, str]] = Field(default_factory=dict, alias="SRC_LOG_LEVELS")
    log_file: str = Field("", alias="API_V2_LOG_FILE")


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
            name = ".".join(str(part) for part in problem["loc"])
            got = "" if name in _MAY_HOLD_A_PASSWORD else f" (got {problem['input']!r})"
            sys.stderr.write(f"{name}: {problem['msg']}{got}\n")
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
