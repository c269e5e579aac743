"""How much a document may cost while it is read: every cap of the sandbox and of the formats, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps for one reading.

    The child's address space is `memory_bytes` until text recognition begins and `ocr_memory_bytes` from then on; a
    reading without recognition never gets more than the first. CPU is counted over all threads of the child.
    """

    memory_bytes: int = 1024 * MIB
    ocr_memory_bytes: int = 3072 * MIB
    cpu_seconds: int = 900
    open_files: int = 64

    # What the child may send back: in all, its text (UTF-8), and of one page its text and its picture. A small PDF can
    # repeat one long page thousands of times, and who asked keeps the text of all pages.
    output_bytes: int = 2048 * MIB
    text_bytes: int = 128 * MIB
    page_text_bytes: int = 128 * MIB
    page_image_bytes: int = 32 * MIB

    # Pictures: pixels to decode. A JPEG is reduced while it is decoded, so it may have four times as many.
    pixels: int = 100_000_000
    pdf_pages: int = 5_000

    # Pictures of several frames: pages of a TIFF; frames of an animation that are decoded, and how many of them, no two
    # alike, are read.
    tiff_pages: int = 1_000
    frames: int = 1_000
    key_frames: int = 4

    # Tables: places of the rectangle that holds a sheet's cells, and columns (as many as Excel has); characters of one
    # field of delimited text, and of one line of it.
    cells: int = 4_000_000
    columns: int = 16_384
    field_characters: int = 1_000_000
    line_characters: int = 16_000_000

    # A file of more bytes has its pages not counted ahead where that means to read it all.
    counted_bytes: int = 4 * MIB

    # Markup that is held as a tree: bytes, elements, and how deep they are nested before structure is given up.
    markup_bytes: int = 16 * MIB
    markup_elements: int = 400_000
    markup_depth: int = 150

    # Rounds of hashing that make a key of an Office document's password; Office takes 100,000.
    password_rounds: int = 1_000_000

    # Mail: characters of a header, parts of a message, messages inside messages: how deep, and how many.
    header_characters: int = 10_000
    mail_parts: int = 1_000
    mail_depth: int = 5
    mail_messages: int = 50

    # Files attached to a message that are read with it: how many, and bytes of them together.
    enclosed_files: int = 20
    enclosed_bytes: int = 64 * MIB

    # Slides, and shapes grouped in shapes.
    slides: int = 5_000
    shape_depth: int = 20

    # Zip packages (OOXML, OpenDocument, EPUB): members, bytes unpacked in all, bytes of XML among them, unpacked bytes
    # for a packed one.
    zip_entries: int = 5_000
    zip_bytes: int = 256 * MIB
    xml_bytes: int = 64 * MIB
    zip_ratio: int = 200
