"""The measure of tables counts those that are there, and notices a cell that is lost."""

from __future__ import annotations

from pathlib import Path

from evaluation import tables
from tests.documents import samples


def test_it_works(tmp_path: Path) -> None:
    made = {"docx": samples.word(), "xlsx": samples.excel(), "pptx": samples.slides(), "html": samples.HTML}
    for name, content in made.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"a.{name}").write_bytes(content)
    (tmp_path / "md").mkdir()
    (tmp_path / "md" / "a.md").write_bytes(b"\0\1\2" * 99)
    scores, reads = tables.rows(tmp_path)
    assert {score.kind: (score.tables, score.survived) for score in scores} == {
        "docx": (1, 1),
        "xlsx": (2, 2),
        "pptx": (1, 1),
        "html": (1, 1),
    }
    assert {read.path.suffix: read.code for read in reads if read.code} == {".md": "type_mismatch"}


def test_a_lost_cell_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(samples.HTML)
    row = tables.Row("html")
    tables._score(row, tables.Read(path, ["| Item | Price |\n| --- | --- |\n| a\\|b |  |"]))
    assert (row.tables, row.survived, row.lost) == (1, 0, ["a.html: '1.50'"])
