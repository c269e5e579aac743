"""Makes `invoice.pdf`, the sample that `make run` asks about: two pages, the total on the second, all invented.

Needs reportlab (the dev layer): `.venv/bin/python docs/samples/make_invoice.py`
"""

from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

ITEMS = [
    ("Oak shelf board, 120 x 30 cm", 24, 31.50),
    ("Steel bracket, pair", 48, 6.25),
    ("Wood oil, 2.5 l", 6, 42.00),
    ("Book trolley, two tiers", 3, 189.00),
    ("Reading lamp, desk clamp", 16, 54.90),
    ("Delivery and fitting", 1, 380.00),
]
LINES = TableStyle(
    [
        ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.grey),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
    ]
)


def main() -> None:
    """Write the file beside this script."""
    words = getSampleStyleSheet()
    net = sum(count * price for _, count, price in ITEMS)
    tax = round(net * 0.2, 2)
    items = [["Item", "Quantity", "Unit price", "Amount"]]
    items += [[name, str(count), f"{price:,.2f}", f"{count * price:,.2f}"] for name, count, price in ITEMS]
    totals = [["", "EUR"], ["Net amount", f"{net:,.2f}"], ["VAT 20%", f"{tax:,.2f}"]]
    totals += [["Total amount due", f"{net + tax:,.2f}"]]
    story = [
        Paragraph("Larkfield Joinery Ltd", words["Title"]),
        Paragraph("4 Millrace Yard, Larkfield", words["Normal"]),
        Spacer(1, 10 * mm),
        Paragraph("Invoice LJ-2026-0417", words["Heading2"]),
        Paragraph("Invoice date: 14 September 2026", words["Normal"]),
        Paragraph("Customer: Harbour Lane Library, 12 Harbour Lane, Eastmouth", words["Normal"]),
        Paragraph("Order: refitting of the children's reading room", words["Normal"]),
        Spacer(1, 8 * mm),
        Table(items, colWidths=[80 * mm, 25 * mm, 30 * mm, 30 * mm], style=LINES),
        Spacer(1, 8 * mm),
        Paragraph("The amounts are carried over to the next page.", words["Normal"]),
        PageBreak(),
        Paragraph("Invoice LJ-2026-0417, page 2", words["Heading2"]),
        Table(totals, colWidths=[60 * mm, 40 * mm], style=LINES, hAlign="LEFT"),
        Spacer(1, 8 * mm),
        Paragraph(f"The total amount due is EUR {net + tax:,.2f}.", words["Normal"]),
        Paragraph("Payment is due by 14 October 2026, by transfer to Larkfield Joinery Ltd.", words["Normal"]),
        Paragraph("Please quote the invoice number LJ-2026-0417.", words["Normal"]),
        Paragraph("The wood is guaranteed for five years, the lamps for two.", words["Normal"]),
    ]
    path = Path(__file__).with_name("invoice.pdf")
    SimpleDocTemplate(str(path), pagesize=A4, title="Invoice LJ-2026-0417", author="", invariant=1).build(story)


if __name__ == "__main__":
    main()
