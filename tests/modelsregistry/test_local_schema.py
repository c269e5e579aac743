"""The built-in model fills a schema from what the document says, and invents nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from modelsregistry.contract import Endpoint, GenerationRequest, SourcePage
from modelsregistry.drivers.local import LocalDriver

PAGES = (
    SourcePage(
        1, "# Example Works Ltd\n\nInvoice number: INV-4711\nInvoice date: 3 May 2026\nCustomer: Jane Roe GmbH\n"
    ),
    SourcePage(2, "Subtotal 90.00\nVAT 20% 18.00\nTotal amount due:  EUR 1,108.00\nThank you."),
)


def filled(schema: dict[str, Any]) -> Any:
    request = GenerationRequest("local", "Read it", "Read it", PAGES, time.monotonic() + 30, response_schema=schema)
    return json.loads(LocalDriver(Endpoint(model="local")).generate(request).text)


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def test_it_works() -> None:
    schema = of(
        invoice_number={"type": "string"},
        invoiceDate={"type": "string", "format": "date"},
        total={"type": "number"},
        seller=of(name={"type": "string", "description": "company"}),
    )
    assert filled(schema) == {
        "invoice_number": "INV-4711",
        "invoiceDate": "2026-05-03",
        "total": 1108,
        "seller": {"name": "Example Works Ltd"},
    }


def test_what_it_rests_on_is_told() -> None:
    request = GenerationRequest(
        "local", "q", "q", PAGES, time.monotonic() + 30, response_schema=of(total={"type": "number"})
    )
    result = LocalDriver(Endpoint(model="local")).generate(request)
    assert result.passages is not None
    assert [(each.page, each.text) for each in result.passages] == [(2, "Total amount due: EUR 1,108.00")]


def test_what_the_document_does_not_tell_is_null_or_missing() -> None:
    schema = of(iban={"type": ["string", "null"]}, website={"type": "string"}, paid={"type": "boolean"})
    assert filled(schema) == {"iban": None}


def test_one_of_the_words_that_are_allowed() -> None:
    asked = {"enum": ["USD", "EUR"], "description": "What is the total amount due?"}
    assert filled(of(currency=asked)) == {"currency": "EUR"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$defs": {"n": {"type": "number"}}, **of(total={"$ref": "#/$defs/n"})}, {"total": 1108}),
        (of(total={"anyOf": [{"type": "number"}, {"type": "null"}]}), {"total": 1108}),
        (of(iban={"anyOf": [{"type": "string"}, {"type": "null"}]}), {"iban": None}),
        (of(total={"type": "array", "items": {"type": "number"}}), {"total": [1108]}),
        ({"type": "string"}, None),
        ({"$ref": "#"}, None),
        (of(a={"$ref": "#/nowhere"}), {}),
        ({"properties": {"child": {"$ref": "#/properties/child"}}, "type": "object"}, {}),
    ],
)
def test_schemas_of_every_form_are_walked(schema: dict[str, Any], expected: Any) -> None:
    assert filled(schema) == expected


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    schema = {"$defs": {"node": of(total={"type": "number"}, next={"$ref": "#/$defs/node"})}, "$ref": "#/$defs/node"}
    assert filled(schema)["total"] == 1108
