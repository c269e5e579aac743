"""Slides become pages in the order that a person reads their shapes in."""

from __future__ import annotations

import io

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation
from pptx.util import Inches

from processing.documents.contract import ReadOptions, UnreadableDocument
from processing.documents.formats.pptx import FORMAT
from processing.documents.limits import Limits
from tests.documents import samples


def read(content: bytes) -> list[str]:
    return [page.text for page in FORMAT.read(io.BytesIO(content), ReadOptions(), Limits()).pages]


def saved(show: Presentation) -> bytes:
    buffer = io.BytesIO()
    show.save(buffer)
    return buffer.getvalue()


def test_it_works() -> None:
    assert read(samples.slides()) == [
        "# Plan\n\n- First\n  - Deeper\n\nNotes:\n\nSpeak slowly",
        "left\n\nright\n\n| Item | Price |\n| --- | --- |\n| a\\|b | 1.50 |",
    ]


def test_a_merged_cell_says_its_text_once() -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    table = slide.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    table.cell(0, 0).text = "Both"
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(1, 0).text, table.cell(1, 1).text = "a", "b"
    assert read(saved(show)) == ["| Both |  |\n| --- | --- |\n| a | b |"]


def test_a_chart_is_its_title_and_its_numbers() -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    data = CategoryChartData()
    data.categories = ["2025", "2026"]
    data.add_series("Ducks", (3, 4.5))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Seen"
    content = saved(show)
    assert FORMAT.matches(content[:8192])  # though it holds a workbook
    assert read(content) == ["Chart: Seen\n\n|  | Ducks |\n| --- | --- |\n| 2025 | 3 |\n| 2026 | 4.5 |"]


def test_groups_descriptions_and_hidden_slides_are_told() -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "inside"
    drawing = io.BytesIO(samples.encoded(samples.picture("x"), "PNG"))
    picture = slide.shapes.add_picture(drawing, 0, Inches(3))
    picture._element._nvXxPr.cNvPr.set("descr", "A duck")
    slide._element.set("show", "0")
    assert read(saved(show)) == ["(hidden slide)\n\ninside\n\n![A duck]"]


def test_a_word_document_is_no_presentation() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        FORMAT.inspect(io.BytesIO(samples.word()), Limits())
    assert caught.value.code == "type_mismatch"
