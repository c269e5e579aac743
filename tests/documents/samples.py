"""Small documents made on the spot, one of each kind."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence

import docx
import pptx
import xlsxwriter
from docx.enum.text import WD_BREAK
from msoffcrypto.format.ooxml import OOXMLFile
from PIL import Image, ImageDraw, ImageFont
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from tests.documents import compound


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


def sealed(package: bytes, password: str = "secret") -> bytes:
    """What Office makes of a document with a password."""
    buffer = io.BytesIO()
    OOXMLFile(io.BytesIO(package)).encrypt(password, buffer)
    return buffer.getvalue()


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


def zipped(members: dict[str, bytes | str], *, first: str | None = None) -> bytes:
    """A zip archive; `first` is its type, which OpenDocument and EPUB want at the beginning and not packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if first is not None:
            archive.writestr("mimetype", first, zipfile.ZIP_STORED)
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def excel() -> bytes:
    """Two sheets and a hidden one: a title, a table with a date, a percentage and a price, a comment."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Prices")
        sheet.write("A1", "Price list")
        sheet.write_row("A3", ["Item", "Since", "Discount", "Price", "Sum"])
        sheet.write("A4", "a|b")
        sheet.write_datetime("B4", datetime.date(2026, 5, 1), book.add_format({"num_format": "d/m/yy"}))
        sheet.write("C4", 0.075, book.add_format({"num_format": "0.0%"}))
        sheet.write("D4", 1234.5, book.add_format({"num_format": "#,##0.00 [$€-407]"}))
        sheet.write_formula("E4", "=D4*2", None, 2469)
        sheet.write_comment("D4", "Without tax", {"author": "Eve"})
        book.add_worksheet("Hidden").write("A1", "secret")
        book.get_worksheet_by_name("Hidden").hide()
        book.add_worksheet("Empty")
    return buffer.getvalue()


def spreadsheet(rows: str | None = None) -> bytes:
    """An OpenDocument spreadsheet with a sheet named Prices; `rows` is the XML of its rows."""
    rows = rows or (
        "<table:table-row><table:table-cell office:value-type='string'><text:p>Item</text:p></table:table-cell>"
        "<table:table-cell office:value-type='string'><text:p>Discount</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:table-cell office:value-type='string'><text:p>Tea</text:p></table:table-cell>"
        "<table:table-cell office:value-type='percentage' office:value='0.075'><text:p>7,5 %</text:p>"
        "</table:table-cell><table:table-cell table:number-columns-repeated='16382'/></table:table-row>"
        "<table:table-row table:number-rows-repeated='1048574'>"
        "<table:table-cell table:number-columns-repeated='16384'/></table:table-row>"
    )
    body = f"<office:spreadsheet><table:table table:name='Prices'>{rows}</table:table></office:spreadsheet>"
    return _open_document(body, "spreadsheet")


def open_text(body: str | None = None) -> bytes:
    """An OpenDocument text of two pages: a heading, a list in a list, a table with a merged cell, a note."""
    body = body or (
        "<text:h text:outline-level='2'>Report</text:h>"
        "<text:p>Words<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>aside</text:p>"
        "</text:note-body></text:note> and<text:s text:c='2'/>blanks</text:p>"
        "<text:list text:style-name='L'><text:list-item><text:p>one</text:p><text:list><text:list-item>"
        "<text:p>deeper</text:p></text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a|b</text:p></table:table-cell>"
        "<table:table-cell><text:p>c</text:p></table:table-cell></table:table-row><table:table-row>"
        "<table:table-cell table:number-columns-spanned='2'><text:p>both</text:p></table:table-cell>"
        "<table:covered-table-cell/></table:table-row></table:table>"
        "<text:p>end<text:soft-page-break/> of it</text:p>"
    )
    return _open_document(f"<office:text>{body}</office:text>", "text")


def _open_document(body: str, kind: str) -> bytes:
    names = "urn:oasis:names:tc:opendocument:xmlns:"
    spaces = " ".join(
        f'xmlns:{short}="{names}{long}:1.0"'
        for short, long in (("office", "office"), ("table", "table"), ("text", "text"), ("draw", "drawing"))
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {spaces} office:version="1.3"><office:body>{body}</office:body>'
        "</office:document-content>"
    )
    manifest = f'<?xml version="1.0"?><m:manifest xmlns:m="{names}manifest:1.0"/>'
    members: dict[str, bytes | str] = {"content.xml": content, "META-INF/manifest.xml": manifest}
    return zipped(members, first=f"application/vnd.oasis.opendocument.{kind}")


def slides() -> bytes:
    """Two slides: a list with levels and notes; a table, and two boxes of which the left one was drawn last."""
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Plan"
    frame = slide.placeholders[1].text_frame
    frame.text = "First"
    deeper = frame.add_paragraph()
    deeper.text, deeper.level = "Deeper", 1
    slide.notes_slide.notes_text_frame.text = "Speak slowly"
    slide = show.slides.add_slide(show.slide_layouts[6])
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for place, text in enumerate(("Item", "Price", "a|b", "1.50")):
        table.cell(place // 2, place % 2).text = text
    for text, left in (("right", 5), ("left", 1)):
        slide.shapes.add_textbox(Inches(left), Inches(1), Inches(2), Inches(1)).text_frame.text = text
    buffer = io.BytesIO()
    show.save(buffer)
    return buffer.getvalue()


CHAPTER = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><h1>{0}</h1><p>Words</p></body></html>'


def book(extra: dict[str, bytes | str] | None = None) -> bytes:
    """A book of two chapters, which are not in the order of their names."""
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="O/b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="t/b%20b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="c" href="c.png" media-type="image/png"/></manifest>'
        '<spine><itemref idref="b"/><itemref idref="c"/><itemref idref="a"/></spine></package>'
    )
    members: dict[str, bytes | str] = {
        "META-INF/container.xml": container,
        "O/b.opf": package,
        "O/a.xhtml": CHAPTER.format("Last"),
        "O/t/b b.xhtml": CHAPTER.format("First"),
    }
    return zipped({**members, **(extra or {})}, first="application/epub+zip")


MAIL = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: Eve <eve@example.com>\r\nSubject: Offer\r\n"
    b"Date: Fri, 1 May 2026 10:00:00 +0200\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n'
    b"--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"42=C2=A0EUR\r\n--B\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="offer.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n'
    b"--B\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@example.com\r\nSubject: Before\r\n\r\nearlier words\r\n"
    b"--B--\r\n"
)
RTF = (
    b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}{\\stylesheet{\\s1 heading 1;}}\n"
    b"\\pard\\s1 Report\\par\n\\pard caf\\'e9 | \\u8364?\\par\n{\\listtext\\bullet\\tab}\\pard point\\par\n"
    b"\\trowd\\cellx100\\cellx200\\intbl Item\\cell Price\\cell\\row\n"
    b"\\trowd\\cellx100\\cellx200\\intbl a|b\\cell 1.50\\cell\\row\n\\pard\\page The end\\par}"
)
HTML = (
    b"<!DOCTYPE html><html><head><title>Shop</title><script>evil()</script></head><body><h2>Prices</h2>"
    b"<p>See <a href='https://example.com/x'>the shop</a>.</p><ul><li>one<ul><li>deeper</li></ul></li></ul>"
    b"<table><tr><th>Item</th><th>Price</th></tr><tr><td>a|b</td><td>1.50</td></tr></table></body></html>"
)


def frames(kind: str, colours: Sequence[str], **options: object) -> bytes:
    """A picture of several frames, or pages."""
    images = [Image.new("RGB", (60, 40), colour) for colour in colours]
    return encoded(images[0], kind, save_all=True, append_images=images[1:], **options)


def one_of_each() -> dict[str, bytes]:
    """By the format's name."""
    image = picture("Total 42.50")
    return {
        "pdf": pdf(["one", "two"]),
        "docx": word(),
        "xlsx": excel(),
        "xls": compound.workbook(),
        "doc": compound.old_word(),
        "ods": spreadsheet(),
        "pptx": slides(),
        "odt": open_text(),
        "rtf": RTF,
        "html": HTML,
        "epub": book(),
        "eml": MAIL,
        "msg": compound.message(),
        "txt": b"plain words",
        "md": b"# Heading\n\nwords",
        "csv": b"Item;Price\na|b;1,50\n",
        "tsv": b"Item\tPrice\na|b\t1,50\n",
        "png": encoded(image, "PNG"),
        "jpg": encoded(image, "JPEG"),
        "gif": encoded(image, "GIF"),
        "webp": encoded(image, "WEBP"),
        "tiff": frames("TIFF", ["white", "grey", "black"], compression="tiff_lzw"),
        "bmp": encoded(image, "BMP"),
    }


def with_password() -> dict[str, bytes]:
    """Of each format that knows passwords a file that needs one, `secret`, by the format's name. The last three are
    not decrypted."""
    locked = '<m:manifest xmlns:m="urn:x"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>'
    drm = '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'
    return {
        "pdf": pdf(["one"], password="secret"),
        **{name: sealed(make()) for name, make in (("docx", word), ("xlsx", excel), ("pptx", slides))},
        "xls": compound.workbook(password="secret"),
        "doc": compound.old_word(password="secret"),
        "ods": repacked(spreadsheet(), {"META-INF/manifest.xml": locked.encode()}),
        "odt": repacked(open_text(), {"META-INF/manifest.xml": locked.encode()}),
        "epub": book({"META-INF/encryption.xml": drm}),
    }


def with_nothing() -> dict[str, bytes]:
    """Of each format a whole file that holds no words, where there can be one."""
    blank = docx.Document()
    show, sheets = io.BytesIO(), io.BytesIO()
    pptx.Presentation().save(show)
    xlsxwriter.Workbook(sheets).close()
    return {
        "pdf": pdf([""]),
        "docx": saved(blank),
        "xlsx": sheets.getvalue(),
        "ods": spreadsheet("<table:table-row/>"),
        "pptx": show.getvalue(),
        "odt": open_text("<text:p/>"),
        "rtf": b"{\\rtf1}",
        "html": b"<html></html>",
        "epub": book({"O/a.xhtml": "", "O/t/b b.xhtml": "<html/>"}),
        "eml": b"From: a\r\nTo: b\r\n\r\n",
        "txt": b"\n",
        "md": b" \n",
        "csv": b"\n\n",
        "tsv": b"\t\n",
        "png": encoded(Image.new("RGB", (9, 9)), "PNG"),
        "tiff": encoded(Image.new("1", (9, 9)), "TIFF"),
    }
