"""`callbill verify`: the bill a second time, by another road, held against what was published.

It is a second computation. So it restates the rules of the first, on purpose: how fields are read,
which lines are records, de-duplication and its horizon, prices, rounding, settlements. A rule that
changes in `ingest`, `models` or `macros` is changed here by hand. A module that holds such a copy
says so at its top.

Of the product it uses what neither judges nor bills:

ingest.landing    which files lie in the landing folder
ingest.shapes     which fields a feed and a log shape have
ingest.readers    how a file falls into lines: lines, delimited, json_lines, unpacking
release           what a release says of itself: its files, settlement floors, vars and seeds

No SQL, no model, no warehouse, except the records of archived files that are away. It counts in
polars and plain Python, and money in whole numbers.

Its modules, in the order in which a bill is made:

job.py            the command: compute, compare, say what is equal
landing_files.py  the files that the release was made from, found again
accepted.py       what they hold that counts; it reads and judges file by file:
texts.py          a file as rows of texts (json_texts.py, csv_texts.py, parquet_texts.py, rows.py,
                  parquet_copy.py), with identifiers.py for identifiers and error codes
records.py        which rows are records of calls, with instants.py for their times
archived.py       records of archived files that are away, as they were once read
contracts.py      which rows are contracts; account_attributes.py and quantity_feeds.py: which are
                  attributes of accounts, packages and waivers
calls.py          which calls are charged and taken back, and when
prices.py         the price in force for a usage date, as known on a date
quantities.py     on which steps, in which packages and under which waivers calls are
bill.py           bill lines, settlements, precision adjustments
money.py          whole numbers, and the one division that rounds
compare.py        the release's tables held against what was computed
"""

from __future__ import annotations

from callbill.verify.job import Verification, verify_job

__all__ = ["Verification", "verify_job"]
