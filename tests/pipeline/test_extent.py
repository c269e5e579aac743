"""What fits goes whole; what does not is cut down openly, and no table is cut in half."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from modelsregistry.contract import PageImage, SourcePage
from modelsregistry.registry import ModelEntry
from processing.errors import DocumentFailed
from processing.pipeline import chunks, extent
from processing.pipeline.options import RequestOptions
from processing.runtime.parameters import Parameters

MODEL = ModelEntry(
    id="m", name="M", provider="p", provider_kind="openai_compatible", description="", vision=False, native_pdf=False,
    context_length=8192, max_output_tokens=None, temperature=None, max_tokens=None, timeout=None, available=True,
    reason="",
)  # fmt: skip
PARAMETERS = Parameters(max_tokens=500)
TABLE = "| Item | Price |\n| --- | --- |\n" + "\n".join(f"| Bolt {n} | {n}.00 |" for n in range(40))
FILLER = "The river runs slowly past the old mill and the people rest in the shade of its trees. "


def document(count: int = 40) -> list[SourcePage]:
    pages = [SourcePage(n, f"# Chapter {n}\n\n{FILLER * 20}") for n in range(1, count + 1)]
    pages[29] = SourcePage(30, f"# Prices\n\n{FILLER}\n\n{TABLE}\n\nThe caution money is 4711 crowns.\n\n{FILLER * 10}")
    return pages


def planned(question: str, **options: object) -> extent.Extent:
    asked = RequestOptions.model_validate(options)
    room = extent.room_for(MODEL, question, asked, PARAMETERS)
    return extent.plan(document(), question, asked, PARAMETERS, room)


def text_of(given: extent.Extent) -> str:
    return "\n".join(page.text for part in given.parts for page in part)


def test_what_fits_goes_whole() -> None:
    pages = [SourcePage(1, "short"), SourcePage(2, "shorter")]
    given = extent.plan(pages, "What is it?", RequestOptions(), PARAMETERS, 1000)
    assert (given.way, given.parts) == ("whole", (tuple(pages),))
    assert given.told["pages_given"] == "1-2"
    assert given.told["pages_left_out"] == ""


def test_of_what_does_not_fit_the_passages_are_given_that_the_question_is_about() -> None:
    given = planned("How many crowns is the caution money?")
    assert given.way == "passages"
    assert "4711 crowns" in text_of(given)
    assert extent.cost(given.parts[0]) <= extent.room_for(MODEL, "", RequestOptions(), PARAMETERS)
    assert given.told["matched"] is True
    assert "30" in given.told["pages_given"]
    assert given.told["pages_left_out"] != ""


def test_a_table_is_given_whole_or_not_at_all() -> None:
    given = planned("What is the price of a bolt?")
    assert TABLE in text_of(given)


def test_a_question_that_shares_no_word_with_the_document_gets_its_beginning() -> None:
    given = planned("Zzyzx qwerty?")
    assert given.told["matched"] is False
    assert given.parts[0][0].number == 1


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("How many crowns is it?", {"rag_full_context": True}),
        ("How many crowns is it?", {"bypass_embedding_and_retrieval": True}),
        ("Summarise this document.", {}),
    ],
)
def test_who_wants_all_of_it_gets_all_of_it_in_parts(question: str, options: dict[str, bool]) -> None:
    given = planned(question, **options)
    room = extent.room_for(MODEL, question, RequestOptions.model_validate(options), PARAMETERS)
    assert given.way == "parts"
    assert [page.number for part in given.parts for page in part] == list(range(1, 41))
    assert text_of(given) == "\n".join(page.text for page in document())
    assert all(extent.cost(part) <= room for part in given.parts)
    assert given.told["parts"] == len(given.parts) > 1


def test_top_k_limits_the_passages_even_where_all_would_fit() -> None:
    pages = [SourcePage(n, f"Rule {n} says that dogs bark.\n\n{FILLER * 13}") for n in range(1, 9)]
    options = RequestOptions(top_k=1)
    given = extent.plan(pages, "What does rule 5 say of dogs?", options, PARAMETERS, 1_000_000)
    assert given.way == "passages"
    assert "Rule 5" in text_of(given)
    assert given.told["passages"] <= 3  # itself and its neighbours


def test_chunk_size_is_the_size_of_a_passage() -> None:
    sizes = [len(chunk.text) for chunk in chunks.chunks([SourcePage(1, FILLER * 50)], 300, 0)]
    assert max(sizes) <= 300
    assert len(sizes) >= 14


def test_pieces_of_one_paragraph_overlap() -> None:
    words = " ".join(f"w{n}" for n in range(400))
    pieces = [chunk.text.split() for chunk in chunks.chunks([SourcePage(1, words)], 300, 60)]
    for before, after in itertools.pairwise(pieces):
        assert set(before) & set(after)
    assert {word for piece in pieces for word in piece} == set(words.split())


def test_a_document_of_too_many_parts_is_refused_in_words() -> None:
    few = Parameters(max_tokens=500, max_parts=2)
    with pytest.raises(DocumentFailed) as refused:
        extent.plan(document(), "Summarise it.", RequestOptions(rag_full_context=True), few, 2000)
    assert refused.value.code == "document_too_long"


def test_a_page_longer_than_the_model_reads_comes_in_pieces() -> None:
    page = SourcePage(1, FILLER * 400)
    parts = extent.shares([page], 1000)
    assert len(parts) > 1
    assert all(extent.cost(part) <= 1100 for part in parts)
    assert {piece.number for part in parts for piece in part} == {1}


def test_a_model_that_reads_any_length_gets_everything() -> None:
    local = dataclasses.replace(MODEL, reads_any_length=True)
    room = extent.room_for(local, "Summarise it.", RequestOptions(), PARAMETERS)
    assert extent.plan(document(), "Summarise it.", RequestOptions(), PARAMETERS, room).way == "whole"


def test_an_answer_as_long_as_the_model_reads_leaves_room_for_the_document() -> None:
    assert extent.room_for(MODEL, "q", RequestOptions(max_tokens=32_000), PARAMETERS) > 2000


def test_no_room_is_said_in_words() -> None:
    tiny = dataclasses.replace(MODEL, context_length=900)
    with pytest.raises(DocumentFailed) as refused:
        extent.room_for(tiny, "q" * 3000, RequestOptions(), PARAMETERS)
    assert refused.value.code == "context_too_small"


def test_pictures_alone_are_given_as_far_as_they_fit() -> None:
    pages = [SourcePage(n, "", PageImage(b"x", "image/jpeg")) for n in range(1, 11)]
    given = extent.plan(pages, "What is shown?", RequestOptions(), PARAMETERS, 6000)
    assert [page.number for page in given.parts[0]] == [1, 2]
    assert given.told["pages_left_out"] == "3-10"


def test_a_long_text_is_cut_into_no_more_pieces_than_can_be_ranked() -> None:
    pages = [SourcePage(1, FILLER * 20_000)]
    given = extent.plan(pages, "Where do the people rest?", RequestOptions(top_k=1, chunk_size=1), PARAMETERS, 4000)
    assert given.way == "passages"
    assert extent.cost(given.parts[0]) <= 4000
