"""Bringing a warehouse that an older callbill wrote into today's layout.

Schema versions: 1 (callbill 0.1), 2 (0.2: who started a run, files withdrawn and read again, what
senders announce, the texts of contracts and events), 3 and 4 (0.6: the vendor's bills, the months
that they state), 5 (0.7: the table in which a night leaves calls for the next is there before the
first; models have other names). What dbt makes is made anew by every run, except what it keeps by
settlement date, and that did not change.
"""

from __future__ import annotations

import duckdb

# Columns that are new and may not be empty, and what they say of rows from before.
_NEW_COLUMNS = {
    "raw.contracts": ("fields", "'{}'"),
    "raw.account_events": ("fields", "'{}'"),
}

# What models were called before 5, in the schema intermediate.
_OLD_MODELS = (
    ("view", "our_lines_compared"),
    ("view", "usage_compared"),
    ("view", "usage_in_other_periods"),
    ("view", "usage_differences"),
    ("view", "adjustment_differences"),
    ("table", "int_vendor_bills_fetched_again"),
    ("table", "int_vendor_bills_priced"),
)

_NAMES = """
    select concat_ws('.', schema_name, table_name) from duckdb_tables()
    where database_name = current_database() and not temporary
        and schema_name in ('raw', 'ops')
"""


def migrate(con: duckdb.DuckDBPyConnection, tables: str, version: int) -> None:
    """Make the job's own tables anew as `tables` has them, with the rows they have, at once."""
    with duckdb.connect() as empty:
        empty.execute(tables)
        known = empty.execute(_NAMES).fetchall()
    con.begin()
    names = [name for (name,) in con.execute(_NAMES).fetchall() if (name,) in known]
    for n, name in enumerate(names):
        con.execute(f"create temp table before_{n} as from {name}")
        con.execute(f"drop table {name}")
    con.execute(tables)
    for n, name in enumerate(names):
        column, said = _NEW_COLUMNS.get(name, (None, None))
        had = {row[0] for row in con.execute(f"describe before_{n}").fetchall()}
        also = f", {said} as {column}" if column and column not in had else ""
        con.execute(f"insert into {name} by name select *{also} from before_{n}")
        con.execute(f"drop table before_{n}")
    for kind, name in _OLD_MODELS:
        con.execute(f"drop {kind} if exists intermediate.{name}")
    con.execute("update ops.warehouse set schema_version = ?", [version])
    con.commit()
