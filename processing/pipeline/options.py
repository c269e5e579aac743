"""What a caller may set for one request, as it is validated at the door and kept on the task."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from processing.pipeline.conversion import Conversion

VisionMode = Literal["auto", "force_vision", "force_text"]


class RequestOptions(BaseModel):
    """The processing options in force for one task; those that the caller left out have their configured values.

    `timeout` is in seconds and covers the whole task. With a `conversion` the document is read and no model is asked.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, le=32_000)
    vision_mode: VisionMode = "auto"
    pdf_extract_images: bool | None = None
    rag_full_context: bool | None = None
    bypass_embedding_and_retrieval: bool | None = None
    enable_hybrid_search: bool | None = None
    top_k: int | None = Field(None, ge=1, le=1000)
    chunk_size: int | None = Field(None, ge=1, le=1_000_000)
    chunk_overlap: int | None = Field(None, ge=0, le=1_000_000)
    skip_cache: bool | None = None
    pages: str | None = Field(None, max_length=1000)
    response_schema: dict[str, Any] | None = None
    conversion: Conversion | None = None
    timeout: float = Field(300.0, gt=0)

    def kept(self) -> dict[str, Any]:
        """As JSON for the task's row: only what is set."""
        return self.model_dump(exclude_none=True)

    @classmethod
    def restored(cls, kept: dict[str, Any]) -> Self:
        """From the task's row."""
        return cls.model_validate(kept)
