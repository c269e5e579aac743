"""PDF files, page by page: their own text where it is usable, else recognised from the page's picture."""

from __future__ import annotations

import ctypes
import io
import itertools
import mmap
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from processing.documents import marking, ocr, pictures
from processing.documents.contract import Contents, Inspection, Page, ReadOptions, Rectangle, UnreadableDocument
from processing.documents.layout import page as layout
from processing.documents.layout.pieces import Piece, piece
from processing.documents.limits import Limits
from processing.documents.pdf_text import PageText

if TYPE_CHECKING:
    from PIL import Image

SIGNATURE_WITHIN = 1024
NOT_A_PDF = (b"MZ", b"\x7fELF", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY = 4, 5
FPDF_PAGEOBJ_PATH, FPDF_PAGEOBJ_IMAGE = 2, 3
FIGURE_SHARE, STROKES_OF_DRAWING = 0.05, 40

GARBAGE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
GARBAGE_SHARE = 0.15
FEW_CHARACTERS, PICTURED_SHARE = 30, 0.25
SOME_CHARACTERS, COVERED_SHARE = 300, 0.7
INK_CONTRAST = 40
GLANCE_SIDE = 200
SLACK = 1e-6  # pixels

SMALL_FILE = b"""%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R
/Resources <</Font <</F <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> >> >> >> endobj
4 0 obj <</Length 78>> stream
BT /F 12 Tf 72 720 Td (A line of text.) Tj 0 -14 Td (And another line.) Tj ET
endstream endobj
trailer <</Root 1 0 R>>
"""


class Pdf:
    """A PDF, opened from the page cache rather than from a copy in memory."""

    name: ClassVar[str] = "pdf"
    extensions: ClassVar[tuple[str, ...]] = ("pdf",)
    media_type: ClassVar[str] = "application/pdf"
    modules: ClassVar[tuple[str, ...]] = ("pypdfium2", "PIL.Image", "PIL.JpegImagePlugin")

    def warm(self) -> None:
        """PDFium loads its fonts and tables with the first page."""
        for _ in self.read(io.BytesIO(SMALL_FILE), ReadOptions(ocr=False), Limits()).pages:
            pass

    def matches(self, head: bytes) -> bool:
        """Readers tolerate some bytes before the signature, unless they are the signature of something else."""
        return b"%PDF-" in head[:SIGNATURE_WITHIN] and not head.startswith(NOT_A_PDF)

    def inspect(self, file: BinaryIO, limits: Limits) -> Inspection:
        return Inspection(pages=len(_opened(file, limits)))

    def read(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Contents:
        pdf = _opened(file, limits, options.password)
        return Contents(page_count=len(pdf), pages=_pages(pdf, options))

    def places(
        self, file: BinaryIO, number: int, passages: Sequence[str], options: ReadOptions, limits: Limits
    ) -> list[list[Rectangle]] | None:
        """By the text layer, if there is one to be trusted."""
        page = _loaded(_opened(file, limits, options.password), number - 1)
        try:
            doubt = _doubt(page, _text(page)[0])
            source = PageText(page)
            found = [marking.rectangles(passage, source) for passage in passages]
            source.close()
        finally:
            page.close()
        return None if doubt and not all(found) else found


def _opened(file: BinaryIO, limits: Limits, password: str | None = None) -> Any:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(_bytes_of(file), password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY):
            if password is not None:
                raise UnreadableDocument("The password does not open the PDF.", "wrong_password") from error
            raise UnreadableDocument("The PDF is encrypted and needs a password.", "document_encrypted") from error
        raise UnreadableDocument("The PDF is damaged and cannot be opened.", "document_broken") from error
    if len(pdf) > limits.pdf_pages:
        raise UnreadableDocument(
            f"The PDF has {len(pdf)} pages; the limit is {limits.pdf_pages}.", "document_too_complex"
        )
    if pdf.get_formtype():
        pdf.init_forms()
    return pdf


def _bytes_of(file: BinaryIO) -> Any:
    """The file as memory that PDFium can read: its pages in the page cache where it is a real file."""
    try:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (io.UnsupportedOperation, ValueError):
        file.seek(0)
        return file.read()
    return (ctypes.c_ubyte * len(mapped)).from_buffer(mapped)


def _pages(pdf: Any, options: ReadOptions) -> Iterator[Page]:
    for number in range(1, len(pdf) + 1):
        if options.wants(number):
            yield _page(pdf, number, options)


def _page(pdf: Any, number: int, options: ReadOptions) -> Page:
    import pypdfium2

    try:
        page = _loaded(pdf, number - 1)
    except pypdfium2.PdfiumError:
        return Page(number, "", "none")  # One page that is damaged does not spoil the others.
    try:
        text, method = own = _text(page)
        doubt = _doubt(page, text) if options.ocr or options.spare_images else ""
        if options.ocr and doubt:
            seen = _recognised(page, trusted=doubt == "little")
            if len(seen) > len(text) or (seen and doubt == "garbage"):
                text, method = seen, "ocr"
        shown = options.images and (not options.spare_images or bool(doubt) or _shows_more(page, own[1], options))
        image = _jpeg(page, options.image_max_side) if shown else None
        return Page(number, text, method, image, "image/jpeg" if image else None)
    finally:
        page.close()


def _shows_more(page: Any, method: str, options: ReadOptions) -> bool:
    """Whether something of the page is lost in its text: the order of a page that is no plain one, a figure, a
    drawing."""
    if method == "layout":
        return True
    return options.figures and (_pictured_share(page) >= FIGURE_SHARE or _has_drawing(page))


def _has_drawing(page: Any) -> bool:
    strokes = page.get_objects(filter=(FPDF_PAGEOBJ_PATH,), max_depth=2)
    return sum(1 for _ in itertools.islice(strokes, STROKES_OF_DRAWING)) == STROKES_OF_DRAWING


def _loaded(pdf: Any, index: int) -> Any:
    """The page; of a form, what is written in its fields becomes part of the page first."""
    page = pdf[index]
    if pdf.formenv is None:
        return page
    page.flatten()
    page.close()
    return pdf[index]


def _text(page: Any) -> tuple[str, str]:
    """The page's own text as Markdown, and the way it was read: line by line where that does."""
    source = PageText(page)
    try:
        if not source.text.strip():
            return "", "none"
        text = None if source.is_broken() else layout.plain(source.lines(), source.height, source.gaps)
        if text is not None:
            return text, "text" if text else "none"
        text = layout.markdown_of(source.words(), source.width, source.height)
        return text, "layout" if text else "none"
    finally:
        source.close()


def _doubt(page: Any, text: str) -> str:
    """Why the page may show more than its text layer tells: `nothing`, `little` or `garbage` is there; else empty."""
    if not text:
        return "nothing" if _has_ink(page) else ""
    if len(text) < SOME_CHARACTERS:
        share = PICTURED_SHARE if len(text) < FEW_CHARACTERS else COVERED_SHARE
        return "little" if _pictured_share(page) >= share else ""
    return "garbage" if not text.isascii() and len(GARBAGE.findall(text)) > GARBAGE_SHARE * len(text) else ""


def _recognised(page: Any, *, trusted: bool) -> str:
    """The page's text by recognition, beside what its text layer holds if that is to be trusted."""
    side = ocr.MAX_PIXELS**0.5
    scale = max(*page.get_size(), 1.0) / side
    seen = ocr.pieces(ocr.recognise(_rendered(page, side)), scale)
    written: list[Piece] = []
    if trusted:
        source = PageText(page)
        written = [piece([line]) for line in source.lines()]
        source.close()
    return layout.recognised([*written, *(each for each in seen if not each.is_over(written))], page.get_height())


def _has_ink(page: Any) -> bool:
    low, high = _rendered(page, GLANCE_SIDE).convert("L").getextrema()
    return bool(high - low > INK_CONTRAST)  # type: ignore[operator]


def _pictured_share(page: Any) -> float:
    """The part of the page's area that its largest picture covers."""
    import pypdfium2

    width, height = page.get_size()
    largest = 0.0
    for shape in page.get_objects(filter=(FPDF_PAGEOBJ_IMAGE,), max_depth=3):
        try:
            left, bottom, right, top = shape.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        largest = max(largest, float((right - left) * (top - bottom)))
    return largest / max(float(width * height), 1.0)


def _rendered(page: Any, side: float) -> Image.Image:
    """The page as an RGB picture whose longer side has `side` pixels, however large the page says it is."""
    bitmap = _bitmap(page, side)
    try:
        return pictures.plain(bitmap.to_pil())
    finally:
        bitmap.close()


def _jpeg(page: Any, side: int) -> bytes:
    """The page as a JPEG, encoded from where it was rendered."""
    bitmap = _bitmap(page, side)
    try:
        return pictures.jpeg(bitmap.to_pil(), side)
    finally:
        bitmap.close()


def _bitmap(page: Any, side: float) -> Any:
    """Four bytes a pixel, of which one is not used, since Pillow takes these as they are. A little smaller than `side`,
    because PDFium's size is rounded up."""
    scale = (side - SLACK) / max(*page.get_size(), 1.0)
    return page.render(scale=scale, rev_byteorder=True, prefer_bgrx=True)


FORMAT = Pdf()
