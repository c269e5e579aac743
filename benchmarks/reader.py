"""One reader over some files, in a process of its own: prints its seconds, pages and greatest memory as JSON.

    python benchmarks/reader.py pdfminer a.pdf b.pdf

Readers of other projects run in their own environments, so nothing but the standard library is imported before a reader
is chosen. Its import does not count.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIDE = 1568  # pixels of the longer side of a page's picture, as models are sent it
Read = Callable[[Path], int]


def pypdfium2() -> Read:
    import pypdfium2

    def read(path: Path) -> int:
        with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
            return sum(_text(document, number) for number in range(len(document)))

    def _text(document: Any, number: int) -> int:
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            return 0
        text_page = page.get_textpage()
        text_page.get_text_bounded()
        text_page.close()
        page.close()
        return 1

    return read


def sandbox() -> Read:
    """This project's, as the pipeline has it; nothing is recognised, since the others recognise nothing."""
    return _own(images=False, ocr=False)


def pdfminer() -> Read:
    from pdfminer.high_level import extract_text

    def read(path: Path) -> int:
        return int(extract_text(path).count("\f"))

    return read


def markitdown() -> Read:
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)

    def read(path: Path) -> int:
        converter.convert(str(path))
        return 0  # It knows no pages.

    return read


def bare_pictures() -> Read:
    """Pages rendered as large as models are sent them, and left at that."""
    import pypdfium2

    def read(path: Path) -> int:
        with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
            for number in range(len(document)):
                page = document[number]
                page.render(scale=SIDE / max(page.get_size()), rev_byteorder=True).to_pil()
                page.close()
            return len(document)

    return read


def pictures() -> Read:
    return _own(images=True, ocr=False)


def bare_recognition() -> Read:
    """The engine with this project's settings, over pictures of the pages that are as large as this project makes
    them."""
    import numpy
    import pypdfium2

    from processing.documents import ocr

    engine = ocr.engine()

    def read(path: Path) -> int:
        with contextlib.closing(pypdfium2.PdfDocument(path)) as document:
            for number in range(len(document)):
                page = document[number]
                scale = ocr.MAX_PIXELS**0.5 / max(page.get_size())
                engine(numpy.asarray(page.render(scale=scale, rev_byteorder=True).to_pil())[:, :, ::-1])
            return len(document)

    return read


def recognition() -> Read:
    return _own(images=False, ocr=True)


def _own(*, images: bool, ocr: bool) -> Read:
    from processing.documents import registry, sandbox
    from processing.documents.contract import ReadOptions
    from processing.errors import DocumentFailed

    kind = registry.named("pdf")
    options = ReadOptions(images=images, ocr=ocr, image_max_side=SIDE)

    def read(path: Path) -> int:
        deadline = time.monotonic() + 3600
        try:
            with path.open("rb") as file, sandbox.reading(file, kind, options, deadline=deadline) as pages:
                return sum(1 for _ in pages)
        except DocumentFailed:
            return 0  # The corpus holds files that are broken or encrypted.

    with contextlib.suppress(DocumentFailed):  # starts the sandbox's server, which lives as long as its worker
        sandbox.inspect(io.BytesIO(b"%PDF-"), kind, timeout=60)
    return read


READERS: dict[str, Callable[[], Read]] = {
    each.__name__: each
    for each in (
        pypdfium2,
        sandbox,
        pdfminer,
        markitdown,
        bare_pictures,
        pictures,
        bare_recognition,
        recognition,
    )
}


def _most_memory() -> int:
    """Kilobytes that this process had resident at most. `ru_maxrss` says no less than what its parent had when it
    started this one. Source: `VmHWM`, proc_pid_status(5)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:"))


def main(name: str, paths: list[Path]) -> None:
    """Read the files one after the other; those that the reader refuses count as read."""
    logging.disable()
    warnings.simplefilter("ignore")
    read = READERS[name]()
    started = time.monotonic()
    pages = 0
    for path in paths:
        with contextlib.suppress(Exception):
            pages += read(path)
    seconds = time.monotonic() - started
    kilobytes = _most_memory()
    if name in ("sandbox", "pictures", "recognition"):
        from processing.documents import sandbox as sandboxes

        sandboxes.close()  # A server that has ended tells what the largest of its children took.
        kilobytes = max(kilobytes, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps({"seconds": seconds, "pages": pages, "mb": kilobytes / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], [Path(each) for each in sys.argv[2:]])
