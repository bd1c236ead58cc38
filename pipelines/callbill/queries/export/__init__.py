"""`callbill export`: a month's bills as files for others, in the vendor's layout or FOCUS.

month.py     which tables a layout has, and how a file is written whole
csv_file.py  CSV that spreadsheets and the vendor's readers take
workbook.py  a workbook of Excel
cells.py     values as text, and texts that a spreadsheet would compute
statement.py, statement_pdf.py   an account's bill as a PDF to send or print
customer_site.py                 the pages of one account, without anyone else's

detail.sql, deductions.sql   the vendor's layout: bill lines (L3), and what left the accounts
cost_and_usage.sql           FOCUS 1.4
"""

from __future__ import annotations

from callbill.queries.export.customer_site import export_site
from callbill.queries.export.month import ExportedFile, export_month, safe_name

__all__ = ["ExportedFile", "export_month", "export_site", "safe_name"]
