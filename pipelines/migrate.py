"""Bringing a warehouse that an older callbill wrote into today's layout.

Schema versions: 1 (callbill 0.1), 2 (0.2: who started a run, files withdrawn and read again, what
senders announce, the texts of contracts and events). Models are dbt's: their tables did not change.
"""

from __future__ import annotations

import duckdb

# What columns say that are new and may not be empty, of rows from before.
_NEW_COLUMNS = {
    "raw.contracts": "'{}' as fields",
    "raw.account_events": "'{}' as fields",
}

_NAMES = """
    select concat_ws('.', schema_name, table_name) from duckdb_tables()
    where database_name = current_database() and not temporary
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
        new = _NEW_COLUMNS.get(name)
        also = f", {new}" if new else ""
        con.execute(f"insert into {name} by name select *{also} from before_{n}")
        con.execute(f"drop table before_{n}")
    con.execute("update ops.warehouse set schema_version = ?", [version])
    con.commit()
