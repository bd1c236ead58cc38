"""Data-quality controls: named SQL checks of the figures, which Great Expectations runs in DuckDB.

controls/         the controls themselves, and how to add one
catalogue.py      reads and checks that folder
due.py            the controls of the settlement dates that a run settles
run.py            runs controls
expectations.py   controls as Great Expectations sees them
lean_import.py    imports Great Expectations, which takes seconds
results.py        the results of controls, and the table that keeps them
page.py           writes docs/controls.md
"""

from callbill.quality.due import due_controls
from callbill.quality.lean_import import import_expectations
from callbill.quality.results import ControlReport, keep_results, merge_results, with_accounts
from callbill.quality.run import run_controls

__all__ = [
    "ControlReport",
    "due_controls",
    "import_expectations",
    "keep_results",
    "merge_results",
    "run_controls",
    "with_accounts",
]
