"""Of a web page comes what a person sees of it, in Markdown, and nothing is fetched."""

from __future__ import annotations

import pytest

from processing.documents import hypertext
from processing.documents.contract import UnreadableDocument
from processing.documents.limits import Limits
from tests.documents import samples


def seen(html: str, limits: Limits = Limits()) -> str:  # noqa: B008
    return hypertext.to_markdown(html, limits)


def test_it_works() -> None:
    assert seen(samples.HTML.decode()) == (
        "# Shop\n\n## Prices\n\nSee the shop.\n\n- one\n  - deeper\n\n| Item | Price |\n| --- | --- |\n| a\\|b | 1.50 |"
    )


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>no</script>",
        "<style>no</style>",
        "<p hidden>no</p>",
        "<div style='color:red; display : none'><p>no</p></div>",
        "<p style='font-size:0px'>no</p>",
        "<!-- no -->",
        "<template><p>no</p></template>",
        "<input type=hidden value=no>",
        "<iframe src='https://example.com'>no</iframe>",
        "<svg><text>no</text></svg>",
    ],
)
def test_what_nobody_sees_is_left_out(hidden: str) -> None:
    assert seen(f"<p>before</p>{hidden}<p>after</p>") == "before\n\nafter"


def test_what_was_typed_and_what_stands_for_a_picture_is_kept() -> None:
    html = "<p>Name <input value='Eve'> <img src='https://example.com/a.png' alt='A duck'></p>"
    assert seen(html).split() == ["Name", "Eve", "![A", "duck]"]


def test_text_stays_as_it_reads() -> None:
    assert seen("<p>a_b *c* <b>bold</b>\n 1 &lt; 2&nbsp;<code>x</code></p>") == "a_b *c* bold 1 < 2 x"


def test_cells_that_span_others_stand_in_all_of_them() -> None:
    html = (
        "<table><tr><th rowspan=2>Year</th><th colspan=2>Ducks</th></tr><tr><th>wild</th><th>tame</th></tr>"
        "<tr><td colspan=3>North</td></tr><tr><td>2026</td><td>1</td><td>2</td></tr></table>"
    )
    assert seen(html) == (
        "| Year | Ducks | Ducks |\n| --- | --- | --- |\n| Year | wild | tame |\n| North |  |  |\n| 2026 | 1 | 2 |"
    )


def test_a_table_in_a_table_stays_in_its_cell() -> None:
    inner = "<table><tr><td>x</td><td>y</td></tr></table>"
    html = f"<table><tr><th>A</th><th>B</th></tr><tr><td>{inner}</td><td>z</td></tr></table>"
    assert seen(html) == "| A | B |\n| --- | --- |\n| x, y; | z |"


def test_a_table_that_arranges_the_page_becomes_what_it_holds() -> None:
    data = "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>"
    html = f"<table><tr><td><h2>Head</h2></td></tr><tr><td>{data}</td></tr></table>"
    assert seen(html) == "## Head\n\n| a | b |\n| --- | --- |\n| c | d |"


@pytest.mark.parametrize("depth", [300, 20_000])
def test_deep_nesting_costs_the_structure_and_not_the_text(depth: int) -> None:
    assert seen("<div>" * depth + "words" + "</div>" * depth) == "words"
    assert "words" in seen("<table><tr><td>" * depth + "words")


@pytest.mark.parametrize(
    ("html", "limits"),
    [
        ("<p>x</p>" * 1000, Limits(markup_elements=100)),
        ("<p>" + "x" * 2000, Limits(markup_bytes=1000)),
        ("<table>" + "<tr><td colspan=1000 rowspan=65534>x</td></tr>" * 300, Limits(cells=10_000)),
    ],
)
def test_more_than_may_be_held_is_refused(html: str, limits: Limits) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        seen(html, limits)
    assert caught.value.code == "document_too_complex"


@pytest.mark.parametrize(
    "content",
    [
        "<meta charset=iso-8859-1><p>Käse €</p>".encode("cp1252"),
        "<p>Käse €</p>".encode(),
        "<p>Käse €</p>".encode("utf-16"),
        '<?xml version="1.0" encoding="windows-1252"?><p>Käse €</p>'.encode("cp1252"),
        "<meta charset=nonsense><p>Käse €</p>".encode(),
    ],
)
def test_an_encoding_is_believed_where_it_is_right(content: bytes) -> None:
    assert seen(hypertext.decoded(content)) == "Käse €"
