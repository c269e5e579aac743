"""Small documents, made where they are needed."""

from __future__ import annotations

import io

from docx import Document
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

INVOICE = "Invoice number 4711\nIssued on 3 May 2026\nTotal amount due: 108.00 EUR"


def pdf(*pages: str, password: str | None = None) -> bytes:
    """A PDF with a text layer, a string a page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, encrypt=StandardEncryption(password) if password else None)
    for page in pages or (INVOICE,):
        for number, line in enumerate(page.splitlines()):
            canvas.drawString(72, 770 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def docx(*paragraphs: str) -> bytes:
    """A Word document with these paragraphs."""
    document = Document()
    for paragraph in paragraphs or INVOICE.splitlines():
        document.add_paragraph(paragraph)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def picture(text: str = INVOICE, kind: str = "PNG") -> bytes:
    """A picture of large black text on white."""
    image = Image.new("RGB", (900, 60 + 60 * len(text.splitlines())), "white")
    font = ImageFont.load_default(size=36)
    for number, line in enumerate(text.splitlines()):
        ImageDraw.Draw(image).text((30, 30 + 60 * number), line, fill="black", font=font)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
