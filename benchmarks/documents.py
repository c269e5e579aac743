"""The documents that are measured with, made here: a letter, reports of many pages, a scanned receipt."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

PROMPT = "What is the total amount due?"

_PROSE = (
    "The supplier delivers the goods named in annex {number} within thirty days of the order being confirmed.",
    "Part {number} of the shipment was weighed at the gate and found to be complete and without visible damage.",
    "Any claim for page {number} must reach the office in writing before the end of the following quarter.",
    "The committee met on the third floor, read the minutes and moved on to item {number} of the agenda.",
)
_LINES_PER_PAGE = 46


def letter(number: int) -> bytes:
    """One page of plain text, another one for every number."""
    prose = "\n".join(line.format(number=number) for line in _PROSE * 5)
    return f"Invoice number {4000 + number}\n\n{prose}\n\n{_due(number)}\n".encode()


def report(pages: int, number: int = 0) -> bytes:
    """A PDF of full pages of text, another one for every number."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for page in range(1, pages + 1):
        text = canvas.beginText(60, 790)
        text.setFont("Helvetica", 10)
        text.setLeading(16)
        text.textLine(f"Report {number}, page {page} of {pages}")
        for line in range(_LINES_PER_PAGE - 1):
            text.textLine(_PROSE[line % len(_PROSE)].format(number=page * 100 + line))
        text.textLine(_due(number) if page == pages else "")
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def journal(pages: int) -> bytes:
    """A PDF of pages in two columns that are written line by line across them, with a head, a foot and a table."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for page in range(1, pages + 1):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(50, 815, "A journal of measurements")
        canvas.drawRightString(545, 815, str(page))
        for line in range(40):
            text = _PROSE[line % len(_PROSE)].format(number=page * 100 + line)
            canvas.drawString(50, 780 - 14 * line, text[:52])
            canvas.drawString(305, 780 - 14 * line, text[-52:])
        for row in range(8):
            for column in range(5):
                value = f"Item {page * 10 + row}" if column == 0 else f"{page}.{row}{column}"
                canvas.drawString(50 + 100 * column, 190 - 14 * row, value)
        canvas.drawCentredString(297, 30, _due(page))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def scrapbook(pages: int) -> bytes:
    """A PDF of photographs of 0.97 MB with text beside them, so that nothing is recognised."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    noise = random.Random(1)
    for page in range(1, pages + 1):
        canvas.drawString(60, 790, _PROSE[page % len(_PROSE)].format(number=page))
        canvas.drawImage(ImageReader(_noise(noise)), 60, 100, width=300, height=300)
        canvas.drawString(60, 60, _due(0) if page == pages else "")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _noise(source: random.Random) -> io.BytesIO:
    """A JPEG of about a megabyte that no compression makes smaller."""
    side = 880
    picture = Image.frombytes("L", (side, side), source.randbytes(side * side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    buffer.seek(0)
    return buffer


def scan(pages: int) -> bytes:
    """A PDF of pages that are nothing but pictures of text."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    font = ImageFont.load_default(size=26)
    for page in range(1, pages + 1):
        picture = Image.new("L", (1240, 1754), "white")
        for line in range(20):
            text = _PROSE[line % len(_PROSE)].format(number=page * 100 + line)[:80]
            ImageDraw.Draw(picture).text((100, 80 + 40 * line), text, fill="black", font=font)
        canvas.drawImage(ImageReader(picture), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def receipt(number: int = 0) -> bytes:
    """A picture of a receipt, as JPEG: text for the recognition to find."""
    lines = ["CORNER SHOP", "12 Market Street", "", *(f"Item {item:02}      {item}.50" for item in range(1, 13))]
    lines += ["", _due(number), "Thank you"]
    picture = Image.new("RGB", (720, 60 + 52 * len(lines)), "white")
    font = ImageFont.load_default(size=32)
    draw = ImageDraw.Draw(picture)
    for place, line in enumerate(lines):
        draw.text((40, 30 + 52 * place), line, fill="black", font=font)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _due(number: int) -> str:
    return f"Total amount due: {100 + number}.00 EUR"
