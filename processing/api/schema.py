"""What the OpenAPI description says beside what DRF tells it."""

from __future__ import annotations

from typing import Any


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Show paths as they are documented. With a slash at the end they work, too."""
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}
    return result
