"""What a model that reads text alone can make of pictures: their recognised text, where recognition is installed."""

from __future__ import annotations

from modelsregistry.registry import ModelEntry
from processing.documents import ocr, registry
from processing.errors import DocumentFailed, InvalidInput
from processing.pipeline.options import VisionMode
from processing.pipeline.read import ReadDocument
from processing.runtime.parameters import Parameters

_CODE = "recognition_unavailable"


def sees(model: ModelEntry, vision_mode: VisionMode, parameters: Parameters) -> bool:
    """Whether the model gets the pages as pictures."""
    return model.vision and parameters.enable_vision and vision_mode != "force_text"


def require_legible(filename: str, model: ModelEntry, vision_mode: VisionMode, parameters: Parameters) -> None:
    """Raises `InvalidInput` for a picture, by its name, of which nothing would reach the model."""
    if not sees(model, vision_mode, parameters) and registry.is_picture(filename) and not ocr.is_installed():
        raise InvalidInput(_sentence(model), _CODE)


def require_read(document: ReadDocument, model: ModelEntry) -> None:
    """Raises `DocumentFailed` where nothing was read: a model that is asked about nothing invents something. The
    built-in one does not; it says so itself."""
    if any(page.text.strip() or page.image for page in document.pages):
        return
    if not ocr.is_installed():
        raise DocumentFailed(_sentence(model), _CODE)
    if not model.reads_any_length:
        raise DocumentFailed(
            f"No text was found in the document, and the model {model.id} does not see pictures. Choose a model with "
            "vision for it.",
            "nothing_to_read",
        )


def _sentence(model: ModelEntry) -> str:
    return (
        f"There is nothing in the document that the model {model.id} could read: it reads text alone, and text in "
        "pictures is not recognised here. Name a model that sees, or have an administrator install the layer "
        "requirements/ocr.txt."
    )
