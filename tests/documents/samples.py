"""Small documents made on the spot, one of each kind."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import docx
from docx.enum.text import WD_BREAK
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas


def pdf(pages: Sequence[str], *, password: str | None = None) -> bytes:
    """A PDF with one line of text on each page."""
    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, encrypt=StandardEncryption(password) if password else None)
    for text in pages:
        for number, line in enumerate(text.split("\n")):
            sheet.drawString(72, 700 - 20 * number, line)
        sheet.showPage()
    sheet.save()
    return buffer.getvalue()


def scanned_pdf(text: str) -> bytes:
    """A PDF whose page is nothing but a picture of the text."""
    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer)
    sheet.drawImage(ImageReader(picture(text)), 0, 400, width=595, height=297)
    sheet.showPage()
    sheet.save()
    return buffer.getvalue()


def picture(text: str, size: tuple[int, int] = (800, 400)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).multiline_text((40, 40), text, fill="black", font=ImageFont.load_default(40), spacing=30)
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def word() -> bytes:
    """Two pages: a heading, a list, a table with a pipe and a merged cell, a break, an end."""
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "ACME Ltd"
    document.sections[0].footer.paragraphs[0].text = "Confidential"
    document.add_heading("Report", level=1)
    document.add_paragraph("First point", style="List Bullet")
    document.add_paragraph("Second point", style="List Bullet")
    document.add_paragraph("Step", style="List Number")
    table = document.add_table(rows=3, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Item", "Price"
    table.cell(1, 0).text, table.cell(1, 1).text = "a|b", "1.50"
    table.cell(2, 0).merge(table.cell(2, 1)).text = "Both"
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("On the second page")
    return saved(document)


def saved(document: docx.document.Document) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def repacked(package: bytes, changes: dict[str, bytes]) -> bytes:
    """The zip archive with these members replaced or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, changes.pop(name, None) or source.read(name))
        for name, content in changes.items():
            target.writestr(name, content)
    return buffer.getvalue()


def member(package: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read(name)


def one_of_each() -> dict[str, bytes]:
    """By the format's name."""
    image = picture("Total 42.50")
    return {
        "pdf": pdf(["one", "two"]),
        "docx": word(),
        "txt": b"plain words",
        "md": b"# Heading\n\nwords",
        "png": encoded(image, "PNG"),
        "jpg": encoded(image, "JPEG"),
        "gif": encoded(image, "GIF"),
        "webp": encoded(image, "WEBP"),
    }
