"""Migrates a warehouse that an older callbill wrote to the current schema.

Schema versions:

1  callbill 0.1
2  0.2: who started a run; withdrawn files and retries; announcements; texts of contracts and events
3  0.6: the vendor's bills
4  0.6: the months that the vendor's bills state
5  0.7: versions of the rules; verdicts on account events in a table of their own; the table that
   passes calls to the next run exists before the first run; models have other names
6  0.7: deliveries of the same content; files of history; calls that are not in the bill, by run;
   calls that are passed to the next run have their action; cleaned identifiers, and
   how many values something was taken off
7  0.7: the states of calls that are passed to the next run are in files; from which date on a night
   counts records by action; buckets, and what the files of records hold
8  0.7: the log shapes of a place's own that files were read by
9  0.7: attributes of records and of accounts, and claims that ask for them; packages, waivers, and
   lines of the bill with the step, package and waiver of their calls

Only the job's own tables are migrated. Every run builds dbt's models again, except rows that are
kept by settlement date.
"""

from __future__ import annotations

import duckdb

SCHEMA_VERSION = 9
# Since this version the tables that commands read have had their names and columns.
READABLE_SINCE = 4

# Tables that had another name: old name, new name.
_RENAMED = {
    "ops.source_files": "ops.loaded_files",
    "ops.rejected_records": "ops.rejected_lines",
    "raw.contracts": "raw.contracts_loaded",
    "raw.vendor_bills": "raw.vendor_bills_loaded",
}
# New columns that must not be null, with their values for old rows.
_NEW_COLUMNS = {
    "raw.contracts_loaded": {"fields": "'{}'"},
    "raw.account_events": {"fields": "'{}'"},
}
# Up to schema 4 the verdicts were in the events themselves, and the rejects and the counts of files
# included them. This moves them to their own table.
_VERDICTS_BEFORE_5 = """
    create or replace table ops.event_verdicts as
        select source_file_id, line_number, rejected_as as reason
        from raw.account_events where rejected_as is not null;
    delete from ops.rejected_records as r
    using ops.event_verdicts as v
    where r.feed = 'account_events' and r.source_file_id = v.source_file_id
        and r.line_number = v.line_number and r.reason = v.reason;
    update ops.source_files set
        records_accepted = records_accepted + verdicts,
        records_rejected = records_rejected - verdicts
    from (select source_file_id, count(*) as verdicts from ops.event_verdicts group by all) as v
    where source_files.feed = 'account_events' and source_files.source_file_id = v.source_file_id;
    alter table raw.account_events drop column rejected_as;
"""

# Models that had another name before version 5, in the schema `intermediate`.
_OLD_MODELS = (
    ("view", "our_lines_compared"),
    ("view", "usage_compared"),
    ("view", "usage_in_other_periods"),
    ("view", "usage_differences"),
    ("view", "adjustment_differences"),
    ("table", "int_vendor_bills_fetched_again"),
    ("table", "int_vendor_bills_priced"),
)

# Columns that the marts kept by settlement date did not have. Their rows have no value in them.
_NEW_COLUMNS_OF_MARTS = (
    ("bill_lines", "tier_from", "bigint"),
    ("bill_lines", "package_id", "varchar"),
    ("bill_lines", "waiver_id", "varchar"),
    ("bill_lines", "waiver_reason", "varchar"),
)

_NAMES = """
    select concat_ws('.', schema_name, table_name) from duckdb_tables()
    where database_name = current_database() and not temporary
        and schema_name in ('raw', 'ops')
"""


def migrate(con: duckdb.DuckDBPyConnection, tables: str, views: str) -> None:
    """Create the job's own tables again from `tables`, copy their rows, and create `views`.

    All of it is one transaction.
    """
    con.begin()
    if _has_column(con, "raw", "account_events", "rejected_as"):
        con.execute(_VERDICTS_BEFORE_5)
    with duckdb.connect() as empty:
        empty.execute(tables)
        known = {name for (name,) in empty.execute(_NAMES).fetchall()}
    names = [
        name for (name,) in con.execute(_NAMES).fetchall() if name in known or name in _RENAMED
    ]
    for n, name in enumerate(names):
        con.execute(f"create temp table before_{n} as from {name}")
        con.execute(f"drop table {name}")
    con.execute("drop table if exists ops.spark_partitions")
    con.execute(tables)
    for n, name in enumerate(names):
        target = _RENAMED.get(name, name)
        old_columns = {row[0] for row in con.execute(f"describe before_{n}").fetchall()}
        added = "".join(
            f", {value} as {column}"
            for column, value in _NEW_COLUMNS.get(target, {}).items()
            if column not in old_columns
        )
        con.execute(f"insert into {target} by name select *{added} from before_{n}")
        con.execute(f"drop table before_{n}")
    for kind, name in _OLD_MODELS:
        con.execute(f"drop {kind} if exists intermediate.{name}")
    for table, column, type_ in _NEW_COLUMNS_OF_MARTS:
        if _has_column(con, "billing", table, "line_id"):
            con.execute(f"alter table billing.{table} add column if not exists {column} {type_}")
    con.execute(views)
    con.execute("update ops.warehouse set schema_version = ?", [SCHEMA_VERSION])
    con.commit()


def _has_column(con: duckdb.DuckDBPyConnection, schema: str, table: str, column: str) -> bool:
    return bool(
        con.execute(
            "select 1 from duckdb_columns()"
            " where schema_name = ? and table_name = ? and column_name = ?",
            [schema, table, column],
        ).fetchall()
    )
