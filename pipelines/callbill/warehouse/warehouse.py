"""The warehouse: opening it, querying it, and which settlement dates it has.

The tables that the job itself keeps are in tables.sql, views.sql and deliveries.sql, those of the
marts in dbt's models. `opening` checks the file, `layout` has the paths, `raw_records` the accepted
records, `by_date` the models that are kept as Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.warehouse.by_date import ByDate
from callbill.warehouse.layout import Layout
from callbill.warehouse.migrations import READABLE_SINCE, SCHEMA_VERSION, migrate
from callbill.warehouse.opening import (
    check_is_warehouse,
    check_not_built_with_spark,
    configure,
    connect,
    has_table,
    is_unfinished,
    schema_version,
)
from callbill.warehouse.raw_records import RawRecords

TABLES = (Path(__file__).parent / "tables.sql").read_text(encoding="utf-8")
# The feeds of which the latest delivery counts, and that have one view in common.
_FEEDS_BY_DELIVERY = ("account_attributes", "contracts", "packages", "waivers")
VIEWS = (Path(__file__).parent / "views.sql").read_text(encoding="utf-8") + "".join(
    (Path(__file__).parent / "deliveries.sql")
    .read_text(encoding="utf-8")
    .replace("{{ feed }}", feed)
    for feed in _FEEDS_BY_DELIVERY
)

Row = tuple[Any, ...]
Record = dict[str, Any]
Parameters = Sequence[object] | Mapping[str, object]


class Warehouse:
    """An open warehouse: a connection, and the Parquet files beside the database."""

    def __init__(self, con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
        self.con = con
        self.layout = layout
        self.raw_records = RawRecords(con, layout)
        self.by_date = ByDate(con, layout)

    @classmethod
    def open(cls, settings: Settings, raw_tables: str) -> Warehouse:
        """Open the warehouse for writing. If it does not exist it is created, and if an older
        callbill wrote it it is migrated.

        `raw_tables` is the SQL that creates the tables of the feeds. Raises LockedError if another
        process has the file open, UsageError if it is not a warehouse that this version can write.
        """
        layout = Layout(settings.warehouse)
        layout.database.parent.mkdir(parents=True, exist_ok=True)
        is_new = not layout.database.exists()
        con = connect(layout.database)
        configure(con, layout, settings)
        if is_new or is_unfinished(con):
            # In one transaction: a process that is killed leaves an empty file.
            con.begin()
            con.execute(TABLES + raw_tables + VIEWS)
            con.execute(
                "insert or ignore into ops.warehouse values (1, ?, null, ?)",
                [SCHEMA_VERSION, settings.buckets or 1],
            )
            con.commit()
        else:
            check_is_warehouse(con, layout.database)
            check_not_built_with_spark(con, layout.database)
            if schema_version(con, layout.database) < SCHEMA_VERSION:
                migrate(con, TABLES + raw_tables, VIEWS)
        warehouse = cls(con, layout)
        if settings.buckets not in (None, warehouse.buckets):
            con.close()
            raise UsageError(
                f"{layout.database} divides its calls into {warehouse.buckets} bucket(s), not "
                f"{settings.buckets}: `callbill rebuild` makes it anew with another number"
            )
        warehouse.raw_records.create_views()
        warehouse.by_date.create_states()
        return warehouse

    @classmethod
    def open_read_only(cls, path: Path) -> Warehouse:
        """Open the warehouse for reading.

        Raises LockedError while a run has the file open, UsageError if there is no file or not a
        warehouse that this version can read.
        """
        if not path.exists():
            raise UsageError(f"there is no warehouse {path}; name it with --warehouse")
        con = connect(path, read_only=True)
        check_is_warehouse(con, path)
        if schema_version(con, path) < READABLE_SINCE:
            con.close()
            raise UsageError(f"{path} was written by an older callbill: `callbill run` upgrades it")
        return cls(con, Layout(path))

    @classmethod
    def open_replaceable(cls, path: Path) -> Warehouse | None:
        """Open a warehouse that a rebuild will replace, for reading. None if it is damaged, does
        not exist, or was never finished.

        Raises LockedError if another process has the file open, UsageError if it is not a
        warehouse.
        """
        if not path.exists():
            return None
        try:
            con = connect(path, read_only=True)
        except UsageError:
            return None
        try:
            if is_unfinished(con):
                con.close()
                return None
            check_is_warehouse(con, path)
        except duckdb.Error:
            con.close()
            return None
        return cls(con, Layout(path))

    def close(self) -> None:
        """Close the connection, after a checkpoint. Without it changes could remain in the log, and
        a copy of the database file would lack them."""
        with suppress(duckdb.Error):
            self.con.execute("checkpoint")
        self.con.close()

    # --- queries -------------------------------------------------------------------------------

    def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        self.con.execute(statement, parameters)

    def rows(self, query: str, parameters: Parameters | None = None) -> list[Row]:
        return self.con.execute(query, parameters).fetchall()

    def records(self, query: str, parameters: Parameters | None = None) -> list[Record]:
        """Rows as dicts by column."""
        cursor = self.con.execute(query, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, query: str, parameters: Parameters | None = None) -> Any:
        """The one value of a query that has one row."""
        [(value,)] = self.rows(query, parameters)
        return value

    def insert(self, target: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows, 500 per statement: a statement for each row would take a millisecond."""
        for start in range(0, len(rows), 500):
            some = rows[start : start + 500]
            values = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
            self.con.execute(
                f"insert into {target} values {values}", [value for row in some for value in row]
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that this block does, or nothing if it raises."""
        self.con.begin()
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):
                self.con.rollback()
            raise
        self.con.commit()

    def has(self, schema: str, name: str) -> bool:
        """Whether there is a table or view of that name."""
        return has_table(self.con, schema, name)

    @property
    def buckets(self) -> int:
        """Into how many buckets calls are divided."""
        return self.raw_records.buckets

    # --- settlement dates ----------------------------------------------------------------------

    @property
    def sealed_through(self) -> date | None:
        """The last sealed settlement date, None if none is sealed."""
        value: date | None = self.value("select max(settled_on) from ops.sealed_settlements")
        return value

    def feeds_loaded(self) -> set[str]:
        """The feeds of which any file was loaded."""
        return {feed for (feed,) in self.rows("select distinct feed from ops.loaded_files")}

    @property
    def built_through(self) -> date | None:
        """The last settlement date whose rows are final, because they are published."""
        value: date | None = self.value("select built_through from ops.warehouse")
        return value

    @built_through.setter
    def built_through(self, through: date) -> None:
        self.execute("update ops.warehouse set built_through = ?", [through])

    def first_due(self, through: date) -> date | None:
        """The first settlement date that a run through `through` has to build, None if no file was
        loaded."""
        built = self.built_through
        if built is not None:
            return built + timedelta(days=1)
        # No settlement depends on the vendor's bills.
        first: date | None = self.value(
            """
            select least(
                (
                    select min(settlement_floor) from ops.loaded_files
                    where settlement_floor <= $1 and feed <> 'vendor_bills'
                ),
                (select min(settled_on) from raw.call_logs where settled_on <= $1)
            )
            """,
            [through],
        )
        return first
