"""Everything that can change while the service runs: one typed, frozen model; its fields are the whole list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

# What a prompt may measure, in characters after trimming. Clients rely on these two, so they are not parameters.
MIN_PROMPT_LENGTH = 5
MAX_PROMPT_LENGTH = 4000

MAX_TEMPERATURE = 2.0
MAX_TOKENS = 32_000

BYTES_PER_MB = 1024 * 1024
MAX_BYTES = 10 * 1024 * BYTES_PER_MB
MAX_FREE_DISK_MB = 1024 * 1024

DEFAULT_FORMATS = ("pdf", "docx", "txt", "md", "png", "jpg", "jpeg", "gif", "webp")
_known_formats: frozenset[str] = frozenset(DEFAULT_FORMATS)


def accept_formats(names: Iterable[str]) -> None:
    """Tell the parameters which format names exist beyond the default ones, so that an unknown one is refused."""
    global _known_formats
    _known_formats = frozenset(DEFAULT_FORMATS) | frozenset(names)


def _is_known_format(name: str) -> str:
    if name not in _known_formats:
        raise ValueError(f"Unknown format: choose from {', '.join(sorted(_known_formats))}.")
    return name


def _without_repetition(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _has_place_for_prompt(template: str) -> str:
    if "{prompt}" not in template:
        raise ValueError("The template must contain {prompt}.")
    if "\0" in template:
        raise ValueError("The template must not contain a null character.")
    return template


def _plain_format(name: object) -> object:
    return name.strip().lower().removeprefix(".") if isinstance(name, str) else name


def _dotted_extension(name: object) -> object:
    return "." + name.strip().lower().removeprefix(".") if isinstance(name, str) else name


FormatName = Annotated[str, BeforeValidator(_plain_format), AfterValidator(_is_known_format)]
Extension = Annotated[str, BeforeValidator(_dotted_extension), Field(pattern=r"^(\.[a-z0-9_+-]{1,20}){1,3}$")]
ModelId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f]+$")]
Temperature = Annotated[float, Field(ge=0, le=MAX_TEMPERATURE, allow_inf_nan=False)]
MaxTokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Waiting = Annotated[int, Field(ge=1, le=10_000_000)]
Days = Annotated[int, Field(ge=0, le=36_500)]
Lifetime = Annotated[int, Field(ge=1, le=31_536_000)]


MAX_BATCH_ITEMS = 1000  # the web server takes as many files in one form
SECTION = "x-section"


def _section(title: str) -> JsonDict:
    """On a field: it and those after it stand under this title, on the form and in the documentation."""
    return {SECTION: title}


class Group(BaseModel):
    """A set of parameters: frozen, and deaf to no misspelt name. Validate it as JSON, strictly: `"8"` is not 8."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MemoryManagement(Group):
    """How workers treat memory."""

    cleanup_after_processing: bool = Field(default=True, description="Give free memory back after each document.")
    monitor_usage: bool = Field(default=True, description="Watch the memory in use, and heed emergency_stop_threshold.")
    emergency_stop_threshold: int = Field(
        default=95, ge=50, le=100, description="Percent of memory in use from which no further document is begun."
    )


class RateLimits(Group):
    """How many calls a caller may make."""

    per_minute: Count = Field(default=50, description="Calls a minute.")
    per_hour: Count = Field(default=1000, description="Calls an hour.")
    per_day: Count = Field(default=10_000, description="Calls a day.")
    uploads_per_minute: Count = Field(default=10, description="Calls a minute that carry a file.")
    batch_files_per_minute: Count = Field(default=1000, description="Files a minute that come in batches.")
    status_per_minute: Count = Field(default=600, description="Looks a minute at where tasks stand; no other call.")
    anonymous_per_minute: Count = Field(default=600, description="Calls a minute from one address without a key.")


class ModelSettings(Group):
    """What one model is asked with, where a call does not say otherwise; null leaves it to the service's own value."""

    temperature: Temperature | None = Field(default=None, description="0 (always the same) to 2.")
    max_tokens: MaxTokens | None = Field(default=None, description="Tokens that an answer may have, 1 to 32000.")
    timeout: Seconds | None = Field(default=None, description="Seconds that an answer may take, 1 to 86400.")


class Parameters(Group):
    """How the service behaves. A worker reads this once per task and passes it on."""

    enabled: bool = Field(
        default=True, description="Take new documents: true or false.", json_schema_extra=_section("Service")
    )
    max_concurrent: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Documents processed at once on a host, 1 to 1000; null: from its memory.",
    )
    max_concurrent_ocr: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Of these, how many have their text recognised at once, 1 to 1000; null: from memory and cores.",
    )
    timeout: Seconds = Field(default=300, description="Seconds that a task may take, 1 to 86400.")
    slow_step_seconds: Seconds = Field(
        default=60, description="Seconds from which a step of a task is told in the log as slow, 1 to 86400."
    )
    max_file_size: int = Field(
        default=50 * BYTES_PER_MB,
        ge=1,
        le=MAX_BYTES,
        description=f"Bytes that a file may have, 1 to {MAX_BYTES}.",
        json_schema_extra=_section("Documents"),
    )
    max_file_size_mb: float | None = Field(
        default=None,
        gt=0,
        le=MAX_BYTES / BYTES_PER_MB,
        allow_inf_nan=False,
        description="The same in MB (1,048,576 bytes); where both are given, the smaller holds.",
    )
    supported_formats: Annotated[tuple[FormatName, ...], AfterValidator(_without_repetition)] = Field(
        default=DEFAULT_FORMATS,
        min_length=1,
        description="The formats that are taken, by name or by extension; docs/formats.md lists all there are.",
    )
    blocked_extensions: Annotated[tuple[Extension, ...], AfterValidator(_without_repetition)] = Field(
        default=(".exe", ".sh", ".bat", ".ps1"), max_length=500, description="File name endings that are refused."
    )
    admin_model: ModelId = Field(
        default="gpt-4-vision",
        description="The id of the model that answers where none is named.",
        json_schema_extra=_section("Answers"),
    )
    temperature: Temperature = Field(
        default=0.7, description="0 (always the same) to 2, where neither call nor model says."
    )
    max_tokens: MaxTokens = Field(default=8000, description="Tokens that an answer may have, 1 to 32000.")
    enable_vision: bool = Field(default=True, description="Show pages to models that can see: true or false.")
    recognise_beside_vision: bool = Field(
        default=False,
        description="Recognise the text of scans for models that see them, too, as evidence to cite: true or false.",
    )
    enable_multimodal: bool = Field(
        default=True, description="Send a page's text beside its picture: true or false; the picture alone without."
    )
    default_prompt_template: Annotated[str, AfterValidator(_has_place_for_prompt)] = Field(
        default="Analyze the provided document and answer: {prompt}",
        max_length=20_000,
        description="What a model is told; {prompt} stands for the caller's words.",
    )
    max_waiting: Waiting = Field(
        default=10_000,
        description="Tasks that may wait at once, 1 to 10000000; further ones are refused.",
        json_schema_extra=_section("Queue and disk"),
    )
    max_waiting_per_key: Waiting = Field(
        default=1000, description="Of these, tasks of one API key, or of one user without a key, 1 to 10000000."
    )
    max_batch_items: int = Field(
        default=MAX_BATCH_ITEMS,
        ge=1,
        le=MAX_BATCH_ITEMS,
        description=f"Documents that a batch may have, 1 to {MAX_BATCH_ITEMS}.",
    )
    max_batch_mb: int = Field(
        default=2048, ge=1, le=1024 * 1024, description="MB that the body of a batch may have, 1 to 1048576."
    )
    min_free_disk_mb: int = Field(
        default=1024,
        ge=0,
        le=MAX_FREE_DISK_MB,
        description=f"MB of disk below which no document is taken, 0 to {MAX_FREE_DISK_MB}; 0: no bound.",
    )
    result_retention_days: Days = Field(
        default=30,
        description="Days after its end that a task is kept with its answer, 0 to 36500; 0: for ever.",
        json_schema_extra=_section("Retention"),
    )
    file_retention_days: Days = Field(
        default=30, description="Days that a document is kept after its last use, 0 to 36500; 0: for ever."
    )
    enable_model_cache: bool = Field(
        default=True,
        description="Answer from store what a model was asked in just the same way: true or false.",
        json_schema_extra=_section("Caches"),
    )
    model_cache_ttl: Lifetime = Field(
        default=3600, description="Seconds that an answer may be used again, 1 to 31536000."
    )
    enable_processing_cache: bool = Field(
        default=True, description="Take from store what was read from the same file: true or false."
    )
    processing_cache_ttl: Lifetime = Field(
        default=7200, description="Seconds that a reading may be used again, 1 to 31536000."
    )
    cache_max_mb: int = Field(
        default=512, ge=1, le=1024 * 1024, description="MB that all stored answers and readings may take, 1 to 1048576."
    )
    chunk_size: int = Field(
        default=1200,
        ge=100,
        le=1_000_000,
        description="Characters of a passage, 100 to 1000000.",
        json_schema_extra=_section("Long documents"),
    )
    chunk_overlap: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="Characters that two pieces of one paragraph share, 0 to 1000000.",
    )
    top_k: int = Field(
        default=12,
        ge=1,
        le=1000,
        description="Passages that a question about a long document gets, 1 to 1000.",
    )
    max_parts: int = Field(
        default=64,
        ge=2,
        le=10_000,
        description="Parts that one document may be asked about in turn, 2 to 10000.",
    )
    assumed_context_length: int = Field(
        default=32_768,
        ge=1024,
        le=100_000_000,
        description="Tokens that a model is taken to read whose own length is not known, 1024 to 100000000.",
    )
    loader_timeout: Seconds = Field(
        default=28,
        description="Seconds that Open WebUI's loader waits for a document's text at most, 1 to 86400.",
        json_schema_extra=_section("Other tools"),
    )
    allow_private_sources: bool = Field(
        default=False,
        description="Fetch documents from URLs in private networks and on this host, too: true or false.",
    )
    show_prompts: bool = Field(
        default=True,
        description="Show prompts in the admin to those who hold the permission to see them: true or false.",
        json_schema_extra=_section("Admin site"),
    )
    memory_management: MemoryManagement = Field(default_factory=MemoryManagement, json_schema_extra=_section("Memory"))
    rate_limits: RateLimits = Field(default_factory=RateLimits, json_schema_extra=_section("Rate limits"))
    model_configs: dict[ModelId, ModelSettings] = Field(
        default_factory=dict,
        max_length=1000,
        description="Settings of single models, by their id: temperature, max_tokens and timeout (seconds).",
        json_schema_extra=_section("Models"),
    )

    @property
    def file_limit(self) -> int:
        """How many bytes a file may have: the smaller of the two sizes."""
        if self.max_file_size_mb is None:
            return self.max_file_size
        return min(self.max_file_size, max(1, int(self.max_file_size_mb * BYTES_PER_MB)))

    @property
    def answers_lifetime(self) -> timedelta | None:
        """How long an answer may be used again; None: never."""
        return timedelta(seconds=self.model_cache_ttl) if self.enable_model_cache else None

    @property
    def readings_lifetime(self) -> timedelta | None:
        """How long a reading may be used again; None: never."""
        return timedelta(seconds=self.processing_cache_ttl) if self.enable_processing_cache else None

    @property
    def files_kept_for(self) -> timedelta | None:
        """How long a document is kept after its last use; None: for ever."""
        return timedelta(days=self.file_retention_days) if self.file_retention_days else None

    @property
    def results_kept_for(self) -> timedelta | None:
        """How long a task is kept after its end; None: for ever."""
        return timedelta(days=self.result_retention_days) if self.result_retention_days else None
