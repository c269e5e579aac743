"""What invoices, receipts and letters call their usual fields, in several languages, and how people ask for them.

Every pattern meets folded text (lower case, no accents). A field's labels are tried in order and the first that
matches gives the grade, so that what it is *not* (grade 0) stands before what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldName:
    """A field that documents label. `kind` is one of `values.of_kind` or `name`; grades are 0 to 100.

    `asked` finds it in a question; `labels` grade the words beside a value; a label graded under 50 is a stand-in that
    the answer names.
    """

    name: str
    kind: str
    asked: re.Pattern[str]
    labels: tuple[tuple[re.Pattern[str], int], ...]

    def grade(self, label: str) -> int:
        """How well `label` (folded) names this field: 0 is not at all."""
        return next((grade for pattern, grade in self.labels if pattern.search(label)), 0)

    def mentioned(self, line: str) -> bool:
        return any(grade and pattern.search(line) for pattern, grade in self.labels)


def phrases(words: str) -> re.Pattern[str]:
    """A pattern for any of the phrases, parted by `|`; a blank in a phrase stands for any run of blanks and dots."""
    loose = re.sub(r"\s+", r"[\\s.:/-]*", words)
    return re.compile(rf"(?<![^\W_])(?:{loose})(?![^\W\d_])")


def _field(name: str, kind: str, asked: str, labels: Iterable[tuple[int, str]]) -> FieldName:
    return FieldName(name, kind, phrases(asked), tuple((phrases(words), grade) for grade, words in labels))


_NO = r"(?:no|nos|nr|num|number|#|n'|n|nummer|numero|numer)"
_TAX = r"(?:tax|taxes|gst|vat|sst|hst|tva|btw|mwst|ust|iva|moms|sales tax)"

FIELDS: tuple[FieldName, ...] = (
    _field(
        "subtotal",
        "amount",
        "sub ?total|net amount|net total|(?:total|amount|price) (?:before|without|excluding|excl) [a-z]+|"
        "untaxed amount|"
        "zwischensumme|nettobetrag|sous total|montant ht|total ht|subtotaal|imponibile|base imponible",
        [
            (90, "sub ?total|subtotaal|zwischensumme|sous total|total ht|montant ht|nettobetrag|net amount|"
                 "untaxed amount"),
            (80, f"total[\\w\\s]* [(]?(?:excl|excluding|excl of|before|w/o|without) {_TAX}|exclusief btw|ohne mwst"),
            (70, "imponibile|base imponible|netto|net total|nett|grondslag"),
        ],
    ),
    _field(
        "tax",
        "amount",
        f"(?:total |sales )?{_TAX} amount|how much (?:is the |was the )?{_TAX}|{_TAX} (?:total|charged|paid)|{_TAX}|"
        "mehrwertsteuer|umsatzsteuer",
        [
            (0, rf"{_TAX} (?:id|reg|registration|invoice|summary|{_NO})|(?:inclusive|incl|inc|including|excl|excluding|"
                rf"exclusive|before|after) (?:of )?{_TAX}|invoice|taxable"),
            (95, f"total {_TAX}|{_TAX} amount|{_TAX} total|montant (?:de la )?tva|btw bedrag|mwst betrag"),
            (80, f"{_TAX}|mehrwertsteuer|umsatzsteuer|kwota vat|impuesto|imposta|imposto"),
        ],
    ),
    _field(
        "discount",
        "amount",
        "discounts?|rebate|rabatt|remise|korting|descuento|sconto|desconto",
        [(90, "total discounts?|discount amount"), (80, "discounts?|disc|rebate|rabatt|remise|korting|descuento|"
                                                        "sconto")],
    ),
    _field(
        "shipping",
        "amount",
        "shipping (?:costs?|fee|charges?|amount)|shipping|postage|freight|delivery (?:costs?|fee|charges?)|"
        "versandkosten|"
        "frais de port|verzendkosten|gastos de envio",
        [(90, "shipping|postage|freight|delivery (?:costs?|fee|charges?)|versand|versandkosten|frais de port|"
              "verzendkosten|"
              "gastos de envio|spese di spedizione")],
    ),
    _field(
        "change",
        "amount",
        "change (?:due|given|returned|amount)|(?:the|much|my) change|ruckgeld|wisselgeld",
        [(0, "exchange|price change"), (90, "change(?: due| given| amount)?|ruckgeld|wisselgeld|rendu|cambio|resto")],
    ),
    _field(
        "paid",
        "amount",
        "(?:amount|total|cash) (?:paid|tendered|received)|tendered|how much (?:was|did|has) [\\w\\s]*(?:paid|"
        "pay)|bezahlt",
        [
            (90, "(?:amount|total|cash) (?:paid|tendered|received)|paid(?: amount)?|tendered|tender|"
                 "payment received|bezahlt"),
            (60, "cash|visa|master ?card|credit card|debit card|card|bargeld|gegeben"),
        ],
    ),
    _field(
        "total",
        "amount",
        "(?:grand |final |invoice |overall |bill )?total(?: (?:amount|sum|price|cost|value|due|bill|payable))*|"
        "(?:amount|balance|sum) (?:due|payable|owed|to pay|outstanding)|(?:invoice|bill|final|total) amount|amount|"
        "how much (?:is|was|does|did|do) (?:the |this |it |i |we |they )?(?:invoice|bill|receipt|total|cost|owe|come|"
        "have to pay|need to pay|must)|gesamtbetrag|gesamtsumme|rechnungsbetrag|endbetrag|summe|montant total|"
        "total ttc|"
        "somme a payer|totaalbedrag|totaal|te betalen|importe total|totale|valor total|kwota|do zaplaty|合計|总计|总额",
        [
            (0, rf"total (?:no of )?(?:qty|quantity|quantities|items?|ltems?|item[(]s[)]|pcs|units?|points?|"
                rf"savings?|saved|"
                rf"discounts?|disc|hours?|weight|pages?|{_TAX}|includes?|0%)|(?:discounts?|savings?) total|"
                rf"{_TAX} (?:amount|total|summary)|included in total|[\\d.]+% suppl"),
            (0, r"change|tendered|tender|rounding adj[a-z]*|adjustment"),
            (20, rf"[\w\s]*(?:excl|exci|exdl|excluding|exclusive|before|without|w/o|ohne|"
                 rf"hors) (?:of )?(?:{_TAX}|taxes?)|"
                 r"sub ?total|subtotaal|zwischensumme|sous total|total ht|exclusief btw|netto|untaxed"),
            (100, r"(?:total|amt|amount|net total|bill)[\w\s().]{0,16} rounded|rounded (?:total|amount|amt)|"
                  r"total (?:after|with|incl|including) rounding|(?:total |amount |amt |net )payable|"
                  r"total (?:amt|amount) payable"),
            (95, "grand total|(?:total )?(?:amount|balance) (?:now )?due|total (?:amount )?(?:due|to pay|"
                 "to be paid)|to pay|"
                 "amount owed|somme a payer|net a payer|total a payer|total ttc|montant ttc|zu zahlen|zahlbetrag|"
                 "zu zahlender betrag|bruttobetrag|rechnungssumme|gesamtbetrag|endbetrag|rechnungsbetrag|"
                 "gesamtsumme|te betalen|totaal te betalen|"
                 "totaalbedrag|total a pagar|importe total|totale (?:da pagare|documento|fattura)|valor total|"
                 "naleznosc ogolem|do zaplaty|k uhrade|att betala"),
            (88, rf"(?:total|ttl)[\w\s]{{0,12}} [(]?(?:incl|incl of|inclusive|inclusive of|inc|including|in of) {_TAX}|"
                 rf"net total|nett total|total (?:amount|amt|bill|facture|factura|invoice|price|cost)|invoice total|"
                 r"factuur totaal|montant total|invoice amount|bill total|inclusief btw|total for this invoice"),
            (80, r"total|totai|tota1|totaal|totale|gesamt|summe|endsumme|razem|ogolem|totalt|celkem|osszesen|合計|"
                 r"总计|总额|합계|jumlah|summa|yhteensa|suma|итого|всего|συνολο"),
            (45, r"bill amount|amount|nett|rounding|balance|saldo|betrag|montant|bedrag|importe|importo|kwota"),
            (30, r"cash|visa|master ?card|credit card|debit card|paid"),
        ],
    ),
    _field(
        "due date",
        "date",
        "due date|date due|payment (?:due|deadline|date)|(?:when|by when) [\\w\\s]*(?:due|be paid|pay)|deadline|"
        "falligkeit\\w*|"
        "zahlungsziel|date (?:limite|d'echeance)|echeance|vervaldatum|fecha de vencimiento|vencimiento|scadenza",
        [(90, "due date|date due|payment due(?: date| by| on)?|due (?:by|on)|pay(?:able)? by|deadline|falligkeit\\w*|"
              "zahlungsziel|fallig|zahlbar bis|date limite(?: de paiement)?|date d.echeance|echeance|vervaldatum|"
              "te betalen voor|vencimiento|scadenza|termin platnosci")],
    ),
    _field(
        "order date",
        "date",
        "order date|date of (?:the )?order|bestelldatum|orderdatum|date de commande|when [\\w\\s]*ordered",
        [(90, "order date|date of order|ordered on|bestelldatum|orderdatum|date de (?:la )?commande|fecha de pedido")],
    ),
    _field(
        "delivery date",
        "date",
        "(?:delivery|shipping|dispatch|ship) date|date of delivery|lieferdatum|leverdatum|date de livraison",
        [(90, "(?:delivery|shipping|dispatch|ship|delivered) (?:date|on)|date of delivery|lieferdatum|leverdatum|"
              "date de livraison")],
    ),
    _field(
        "date",
        "date",
        "(?:invoice|issue|bill|billing|receipt|document|purchase|transaction|letter|contract|statement|the|what|which|"
        "this) (?:is )?date|date (?:of (?:the |this )?(?:invoice|issue|bill|receipt|document|purchase|"
        "transaction|letter|"
        "sale))?|dated|when (?:was|is) (?:it|this|the (?:invoice|receipt|document|bill|letter|purchase)) "
        "(?:issued|made|dated|written|signed|sent|created|from)|"
        "rechnungsdatum|datum|factuurdatum|date de (?:la )?facture|fecha|data|date",
        [
            (10, "due|fallig\\w*|zahlungsziel|limite|echeance|vervaldatum|vencimiento|scadenza|expir\\w*|valid until|"
                 "delivery|ship\\w*|liefer\\w*|birth|order date|orderdatum|bestelldatum|check out|printed?|checkout|"
                 "reprint|period|termin"),
            (95, "(?:invoice|issue|bill|billing|receipt|document|doc|inv|tax|purchase|transaction|trans|txn|"
                 "sales?) date|"
                 "date of (?:issue|invoice|receipt|purchase)|rechnungsdatum|ausstellungsdatum|factuur datum|"
                 "factuurdatum|"
                 "date de (?:la )?(?:facture|facturation)|date d.emission|fecha de (?:factura|emision)|data fattura|"
                 "data (?:da fatura|de emissao)|data (?:wystawienia|faktury)|fakturadatum|issued(?: on)?|dated"),
            (85, "date|datum|fecha|data|le"),
            (75, r"(?:facture|invoice|rechnung|factuur|factura|fattura|faktura)\W.*(?:du|from|vom|van|del|"
                 r"z dnia)|date/time|tarikh"),
        ],
    ),
    _field(
        "order number",
        "identifier",
        f"(?:purchase )?order (?:{_NO}|id|reference)|po {_NO}|p o {_NO}|bestellnummer|auftragsnummer|ordernummer|"
        "numero de commande|bestelnummer",
        [(90, f"(?:purchase )?order (?:{_NO}|id|ref(?:erence)?)|po {_NO}|ord {_NO}|bestell ?(?:nummer|nr)|"
              f"auftrags ?(?:nummer|nr)|"
              f"ordernummer|bestelnummer|(?:numero|n.) de commande|commande {_NO}"),
         (60, "order|commande|bestellung")],
    ),
    _field(
        "customer number",
        "identifier",
        f"(?:customer|client|account|member) (?:{_NO}|id|code)|kundennummer|klantnummer|numero (?:de )?client|"
        "kontonummer|konto nr",
        [(90, f"(?:customer|client|cust|member) (?:{_NO}|id|code)|kunden ?(?:nummer|nr)|klant ?(?:nummer|nr)|id client|"
              "(?:numero|n.) (?:de )?client"),
         (70, f"(?:account|acct|a/c|kto) (?:{_NO})|konto ?(?:nummer|nr)")],
    ),
    _field(
        "tax number",
        "identifier",
        f"{_TAX} (?:reg(?:istration)? )?(?:{_NO}|id)(?: {_NO})?|tax (?:identification )?{_NO}|tin|nip|gstin|"
        f"ust id(?: nr)?|"
        "btw nummer|numero de tva|steuernummer|siret",
        [(90, rf"{_TAX} (?:reg|registration|intra\w*)? ?(?:{_NO}|id|/tin)(?: {_NO})?|gstin|ust ?id(?: nr)?|"
              rf"steuer ?(?:nummer|nr)|"
              r"(?:numero|n.) de tva[\w\s]*|btw(?: nummer)?|tin|nip|abn|ein|siret|kvk")],
    ),
    _field("iban", "iban", "iban|bank account", [(90, "iban|bank account|account")]),
    _field(
        "invoice number",
        "identifier",
        f"(?:invoice|bill|receipt|document|reference|inv|doc|voucher|ticket|booking) (?:{_NO}|id|reference|code)|"
        f"{_NO} of (?:the |this )?(?:invoice|bill|receipt|document)|rechnungs ?(?:nummer|nr)|factuur ?(?:nummer|nr)|"
        "(?:numero|n.) (?:de (?:la )?)?(?:facture|factura|fattura)|numer faktury|reference",
        [
            (0, rf"order|purchase|customer|account|tax id|{_TAX} (?:id|reg\w*|{_NO})|company|page|seite|phone|"
                rf"tel|cashier|counter|"
                "invoice date|due date|item|klant\\w*|kunden\\w*|orderdatum|ordernummer"),
            (95, f"invoice (?:{_NO}|id|code|ref)|inv {_NO}|(?:tax|cash|sales) inv(?:oice)? {_NO}|"
                 f"rechnungs? ?(?:nummer|nr)|"
                 f"rechnung {_NO}|factuur ?(?:nummer|nr)|factuur {_NO}|facture {_NO}|(?:numero|n.) (?:de )?facture|"
                 f"factura {_NO}|fattura {_NO}|faktura (?:vat )?{_NO}|numer faktury|fakturanummer|facture n"),
            (85, f"(?:bill|receipt|receipi|document|doc|voucher|slip|ticket|trans|transaction|txn) (?:{_NO}|id)|"
                 f"beleg ?(?:nummer|nr)|"
                 f"bon ?(?:nummer|nr)|resit {_NO}"),
            (70, "(?:tax )?invoice|inv|rechnung|facture|factuur|factura|fattura|faktura"),
            (40, f"(?:booking|reference|ref|confirmation|reservation|job|quote|case) ?(?:{_NO}|id|code)?|"
                 f"^\\W*(?:number|no)\\W*$"),
        ],
    ),
    _field("email", "email", "e ?mail(?: address)?", [(90, "e ?mail|mail"), (60, "contact")]),
    _field("website", "website", "web ?site|web ?page|url|homepage|internet address", [(90, "web|website|"
                                                                                            "internet|www|"
                                                                                            "http\\w*|visit")]),
    _field("phone", "phone", f"(?:tele)?phone(?: {_NO})?|tel|mobile {_NO}|call|telefon(?:nummer)?|"
                             f"telefoonnummer|fax(?: {_NO})?",
           [(90, "tel|telephone|phone|mobile|telefon\\w*|telefoon\\w*|telefono|hotline|customer care"), (60, "fax")]),
)  # fmt: skip

BY_NAME = {field.name: field for field in FIELDS}
