"""Questions to what is there. They read releases and the warehouse, and write nothing back.

bill.py         an account's bill of a month, as known today or on a date
latest.py       the bills of the last months, for the end of a run
arrears.py      the accounts that owe money
explain/        why a bill line is what it is, and what became of a call
changes.py      what changed between two releases (`callbill diff`)
reconcile.py    the vendor's bills held against ours
export/         a month's bills as files for others
runs.py         the last runs
rejects.py      what was not accepted
reading.py      which database answers
project_sql.py  SQL with the macros of the dbt project
"""
