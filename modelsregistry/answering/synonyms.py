"""Words that stand for one another in questions and documents, by stem."""

from __future__ import annotations

from .words import stem

_GROUPS = """
amount sum betrag montant bedrag importe
price cost rate fee charge preis prix prijs precio prezzo
pay payment paid payable settle
salary wage pay remuneration compensation
begin start commence inception launch effective
end finish expire expiry expiration terminate termination cancel cancellation
found establish create founded incorporated
employee staff worker personnel
boss ceo chief director manager head president
company firm corporation enterprise business organisation organization
buy purchase acquire acquisition order
sell sale sold vendor seller
customer client buyer
deadline due date limit
author write written writer wrote
sign signature signed signatory
rent lease rental tenancy
tenant lessee renter
landlord lessor owner
address location located place residence
phone telephone tel mobile
email mail e-mail
allow permit authorise authorize may
forbid prohibit ban disallow
require must need mandatory obligation obligatory
cause reason because due root
problem issue fault incident error defect failure
fix solution resolve remedy repair resolution
goal aim objective purpose target
result outcome finding conclusion
benefit advantage
risk hazard danger threat
refund reimburse reimbursement repay
guarantee warranty
penalty fine sanction
increase grow growth rise rose gain
decrease fall decline drop shrink fell
revenue turnover sales income
profit earnings margin
car vehicle automobile
doctor physician
child children kid
holiday vacation leave
name title called
total gesamt totaal
invoice rechnung facture factuur factura bill
date datum fecha data
"""


def _table() -> dict[str, tuple[str, ...]]:
    related_words: dict[str, dict[str, None]] = {}
    for group in _GROUPS.strip().splitlines():
        stems = [stem(word) for word in group.replace("-", "").split()]
        for word in stems:
            related_words.setdefault(word, {}).update(dict.fromkeys(other for other in stems if other != word))
    return {word: tuple(others) for word, others in related_words.items()}


_RELATED = _table()


def related(word: str) -> tuple[str, ...]:
    """Stems that may stand where `word` (a stem) is asked for."""
    return _RELATED.get(word, ())
