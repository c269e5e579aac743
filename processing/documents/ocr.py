"""Text recognition on one picture: lines of text and where they stand."""

from __future__ import annotations

import functools
import importlib.util
import logging
import math
import os
import re
import resource
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from processing.documents.layout import page as layout
from processing.documents.layout.pieces import Piece, Word, piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from PIL import Image

# Time and memory follow the number of pixels: a long receipt may keep more of its length than a square page.
MAX_PIXELS = 1280 * 1280
MAX_SIDE = 3200
MAX_THREADS = 4
LONG_LINE = 2.0
WORD = re.compile(r"\S+")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A recognised piece of text: the middle of its box, its width and height in pixels, its slope in radians."""

    text: str
    x: float
    y: float
    width: float
    height: float
    slope: float = 0.0


def _at_once() -> None:
    """Nobody is to be asked."""


_wait_for_turn: Callable[[], None] = _at_once


def wait_before_loading(wait: Callable[[], None]) -> None:
    """From now on call `wait`, which may block, before recognition takes its memory in this process."""
    global _wait_for_turn
    _wait_for_turn = wait


def threads(cores: int) -> int:
    """How many threads recognition computes with where it may use so many processors."""
    return max(1, min(MAX_THREADS, cores))


def recognise(image: Image.Image) -> list[Line]:
    """The lines of text in an RGB picture, in its own pixels; none if recognition is not installed."""
    own = engine()
    if own is None:
        return []
    import numpy

    bearable = _bearable(image)
    result = own(numpy.asarray(bearable)[:, :, ::-1])
    if result.boxes is None or not result.txts:
        return []
    scale = image.width / bearable.width
    lines = (_line(box, text, scale) for box, text in zip(result.boxes, result.txts, strict=True))
    return [line for line in lines if line.text]


def text(image: Image.Image) -> str:
    """The text of an RGB picture as Markdown in reading order; empty if there is none."""
    return layout.recognised(pieces(recognise(image)))


def pieces(lines: Iterable[Line], scale: float = 1.0) -> list[Piece]:
    """Recognised lines, straightened if the page lies askew, with their words where they must about be."""
    found = []
    for order, line in enumerate(_straightened(list(lines))):
        left, top = (line.x - line.width / 2) * scale, (line.y - line.height / 2) * scale
        right, bottom = (line.x + line.width / 2) * scale, (line.y + line.height / 2) * scale
        letter = (right - left) / len(line.text)
        words = [
            Word(match[0], left + match.start() * letter, top, left + match.end() * letter, bottom, order, order)
            for match in WORD.finditer(line.text)
        ]
        found.append(piece(words))
    return found


def is_installed() -> bool:
    """Whether this environment has the optional layer."""
    return importlib.util.find_spec("rapidocr") is not None


@functools.cache
def engine() -> Any:
    """RapidOCR with our settings, one session for this process; None where the optional layer is not installed.

    Made on first use, because a session does not survive a fork.
    """
    if not is_installed():
        logger.warning("text recognition is not installed", extra={"action": "ocr_missing"})
        return None
    _wait_for_turn()
    _take_recognition_memory()
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.max_side_len": MAX_SIDE,
            "Global.log_level": "critical",
            "Rec.rec_batch_num": 2,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads(len(os.sched_getaffinity(0))),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _take_recognition_memory() -> None:
    """Raise the address space to the hard limit: the sandbox leaves room there for recognition and for nothing else."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _bearable(image: Image.Image) -> Image.Image:
    scale = min(1.0, math.sqrt(MAX_PIXELS / (image.width * image.height)), MAX_SIDE / max(image.size))
    if scale == 1.0:
        return image
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _line(box: Sequence[Sequence[float]], text: str, scale: float) -> Line:
    """`box` holds the corners: top left, top right, bottom right, bottom left."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = ((float(x) * scale, float(y) * scale) for x, y in box)
    return Line(
        text=text.strip(),
        x=(ax + bx + cx + dx) / 4,
        y=(ay + by + cy + dy) / 4,
        width=math.hypot(bx - ax, by - ay),
        height=math.hypot(dx - ax, dy - ay),
        slope=math.atan2(by - ay, bx - ax),
    )


def _straightened(lines: list[Line]) -> list[Line]:
    slopes = [line.slope for line in lines if line.width > LONG_LINE * line.height]
    angle = median(slopes) if slopes else 0.0
    if abs(angle) > math.radians(30):
        return lines
    cos, sin = math.cos(-angle), math.sin(-angle)
    return [
        Line(line.text, line.x * cos - line.y * sin, line.x * sin + line.y * cos, line.width, line.height)
        for line in lines
    ]
