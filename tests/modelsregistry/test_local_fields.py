"""Labelled values of invoices and receipts: the right sum, date, number and name among all that stand there."""

from __future__ import annotations

import pytest

from .test_local_answers import ask


def value(question: str, *texts: str) -> str:
    return ask(question, *texts).text.split(" (page")[0]


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("Subtotal 10.00\nGST 6% 0.60\nTOTAL DUE 10.60\nVISA 10.60", "10.60"),
        ("SHOP\nTOTAL\nRM\n12.30\nCASH\n20.00\nCHANGE\n7.70", "12.30"),
        (
            "TOTAL QTY 3\nTOTAL (INCL GST)  RM 12.31\nROUNDING ADJ  -0.01\nTOTAL PAYABLE  RM 12.30\nCASH 20.00",
            "RM 12.30",
        ),
        ("Total Sales 42.33\nRounding Adjustment .02\nRounding 42.35\nCHANGE .00", "42.35"),
        ("Net Total 21.20\nNet Total Rounded 21.20\nGST Summary Amount Tax\nTotal 20.00 1.20", "21.20"),
        ("Total 100.00\nTotal savings 4.00\nTotal items 5", "100.00"),
        ("Total HT : 46,68 €\nTVA 20% : 9,34 €\nTotal TTC : 56,02 €", "56,02 €"),
        ("Zwischensumme 100,00 €\nMwSt 19% 19,00 €\nGesamtbetrag 119,00 €", "119,00 €"),
        ("Subtotaal € 593,36\nBTW 21% € 124,61\nTotaal € 717,97", "€ 717,97"),
        ("Base imponible 100,00\nIVA 21,00\nImporte total: 1.234,56 €", "1.234,56 €"),
        ("Netto 257,59\nRazem: 316,83\nDo zapłaty: 316,83 PLN", "316,83 PLN"),
        ("TOTAL AMOUNT DUE ON August 3 , 2014 $4.11", "$4.11"),
        ("Grand Total Rs 1939\nBalance ( if any ) Rs 0", "Rs 1939"),
        ("| Item | Amount |\n|---|---|\n| Chair | 70.00 |\n| **Total** | **$170.00** |", "$170.00"),
        ("$127.50\n$2.00\n$129.50\nSubtotal:\nTax:\nTotal:", "$129.50"),
        ("Subtotal: Tax: Total:\n$100.00 $20.00 $120.00", "$120.00"),
        ("The rent is $1,200. The total amount of the grant is $50,000.", "$50,000"),
    ],
)
def test_the_total_is_told_from_all_other_sums(text: str, total: str) -> None:
    assert value("What is the total amount?", text) == total


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the subtotal?", "$ 262.90"),
        ("What is the tax amount?", "$ 16.94"),
        ("How much is the shipping?", "$ 8.00"),
        ("What is the discount?", "$ 5.00"),
        ("Wie hoch ist der Gesamtbetrag?", "$ 282.84"),
    ],
)
def test_other_sums_are_found_by_their_own_labels(question: str, expected: str) -> None:
    text = "Subtotal $ 262.90\nDiscount $ 5.00\nShipping $ 8.00\nTax 15% $ 16.94\nTotal $ 282.84"

    assert value(question, text) == expected


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Due Date: 2020-05-01\nInvoice Date: 2020-04-01", "2020-04-01"),
        ("Rechnung Nr. 2020/17 vom 3.4.2020\nLieferdatum 1.4.2020", "3.4.2020"),
        ("Facture n°5620 du 02 Juillet 2015\nDate limite de paiement le 05 Juillet 2015", "02 Juillet 2015"),
        ("Factuurdatum: 19 april 2014\nOrderdatum: 18 april 2014", "19 april 2014"),
        ("Invoice Date: August 3 , 2014", "August 3 , 2014"),
        ("03:15PM 565287 05-05-17\nCASH 5.00", "05-05-17"),
        ("Date 29/12/201711:41", "29/12/2017"),
        ("Date: 2018-03-1813:18:48", "2018-03-18"),
        ("27032018 No CS-20243", "27032018"),
        ("Dear Sir,\nLondon, 14th of May 2019", "14th of May 2019"),
    ],
)
def test_the_date_is_the_documents_own(text: str, date: str) -> None:
    assert value("What is the date?", text) == date


def test_the_due_date_is_another_date() -> None:
    text = "Invoice Date: 2020-04-01\nDue Date: 2020-05-01\nOrder Date: 2020-03-01"

    assert value("What is the due date?", text) == "2020-05-01"
    assert value("What is the order date?", text) == "2020-03-01"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Invoice Number: 42183017\nAccount number: 296664039561", "42183017"),
        ("Customer number 17\nFactuurnummer: 993548900\nOrdernummer: 12572103", "993548900"),
        ("Facture n° 2022089083\nNuméro de dossier : 365146", "2022089083"),
        ("INVOICE #4471\nBrightwater Ltd", "4471"),
        ("| Invoice No. | Date | Customer |\n|---|---|---|\n| A-77 | 3 Feb 2021 | ACME |", "A-77"),
        ("Receipt No: REC-0015016\nTel: 016-7574666", "REC-0015016"),
        ("Invoice INV/2023/03/0008\n12 Main Street", "INV/2023/03/0008"),
    ],
)
def test_the_invoice_number_is_the_labelled_one(text: str, number: str) -> None:
    assert value("What is the invoice number?", text) == number


def test_a_stand_in_names_its_label() -> None:
    text = ask("What is the invoice number?", "PAYMENT RECEIPT\nBooking ID\nIBZY2087").text

    assert text == "IBZY2087 (page 1, labelled “Booking ID”)"


def test_an_address_is_not_taken_for_a_number() -> None:
    assert value("What is the invoice number?", "INVOICE\nACME Inc\n12 Main Street\nNew York 10001") == (
        "The document does not say."
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("180048\nBRIGHTWATER TRADING SDN BHD (81109-A)\n12 Main Road\nTOTAL 5.00", "BRIGHTWATER TRADING SDN BHD"),
        ("Date: 2020-01-01\nSold By : Brightwater Pvt. Ltd.,\nTotal 5.00", "Brightwater Pvt. Ltd."),
        (
            "Invoice\nYour order\nTotal 5.00\nBlue Interior\n4557 Silva St\nhttp://www.blue-interior.com",
            "Blue Interior",
        ),
        ("Bill to:\nHarbour Corp\n1 Quay\n\nINVOICE\nBlue Interior\nTotal 5.00", "Blue Interior"),
        ("Bill to:\n\n### Attn: Harbour Ltd, 1 Quay\n\nBlue Interior\nTotal 5.00", "Blue Interior"),
        ("Customer service: 555\nBRIGHTWATER LTD\nTotal 5.00", "BRIGHTWATER LTD"),
        (
            "Jane Miller\n1 Quay\nInvoice 17\nTotal 5.00\nThank you\nBLUE INTERIOR\nRegistered office: 4557 Silva St",
            "BLUE INTERIOR",
        ),
        ("Invoice 17\nTotal 5.00\nAll services are sold by Blue Interior, Inc.", "Blue Interior, Inc."),
        ("| Hotel details | In | Out |\n|---|---|---|\n| A | 1 May | 2 May |\nBlue Bay\nTotal 5.00", "Blue Bay"),
    ],
)
def test_the_company_is_named(text: str, name: str) -> None:
    assert value("What is the company?", text) == name


def test_the_customer_is_named_only_where_a_label_says_so() -> None:
    assert value("Who is the customer?", "Bill To:\nTaylor Riddel\nTotal 5.00") == "Taylor Riddel"
    assert value("Who is the customer?", "Brightwater Ltd\nTotal 5.00") == "The document does not say."


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the payment mode?", "Cash at Hotel"),
        ("When is check out?", "01/01/2018"),
        ("How many rooms?", "1"),
        ("What is the IFSC code?", "HDFC0000003"),
    ],
)
def test_any_label_can_be_asked_for_by_its_own_words(question: str, answer: str) -> None:
    text = "Check In\n31/12/2017\nCheck Out\n01/01/2018\nRooms\n1\nPayment Mode: Cash at Hotel\nIFSC CODE\nHDFC0000003"

    assert value(question, text) == answer


def test_a_cell_is_found_by_row_and_column() -> None:
    table = (
        "| City | Population | River |\n|---|---|---|\n| Berlin | 3,645,000 | Spree |\n| Hamburg | 1,841,000 | Elbe |"
    )

    assert value("What is the population of Berlin?", table) == "3,645,000"
    assert value("What is the river of Hamburg?", table) == "Elbe"


def test_a_row_that_lost_its_columns_gives_what_it_comes_to() -> None:
    rows = "Desk 1.00 Units 42.00 0.00 $ 42.00\nOffice Chair 2.00 Units 70.00 0.00 15.00% $ 140.00\nSubtotal $ 182.00"

    assert value("What is the price of the office chair?", rows) == "$ 140.00"


def test_the_answer_holds_one_value_and_no_second_candidate() -> None:
    text = ask("What is the total?", "Subtotal 10.00\nTotal 11.00\nCash 20.00\nChange 9.00").text

    assert text == "11.00 (page 1)"
