"""What changed between two releases: what was done, what came in, what the bills say now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from callbill.base.errors import UsageError
from callbill.release.manifest import Manifest
from callbill.release.release import Release
from callbill.warehouse.loads import SourceLoad

Rows = list[tuple[Any, ...]]

# In the later release's words, with the earlier one attached as `earlier`.
_RUNS = """
    select run_id, started_by, through_date, outcome, files_loaded, records_accepted,
        records_rejected, round(epoch(finished_at - started_at), 1), step_seconds, message
    from later.ops.runs
    where run_id > ? and run_id <= ?
    order by run_id
"""
_BILLS = """
    select bill_month, owner_uin, product_code, b.calls, a.calls, b.deducted_amount,
        a.deducted_amount, coalesce(a.deducted_amount, 0) - coalesce(b.deducted_amount, 0)
    from earlier.billing.monthly_bills as b
    full outer join later.billing.monthly_bills as a using (bill_month, owner_uin, product_code)
    where (b.calls, b.list_cost, b.rated_amount, b.deducted_amount)
        is distinct from (a.calls, a.list_cost, a.rated_amount, a.deducted_amount)
    order by bill_month, owner_uin, product_code
"""
_LINES = """
    select settled_on, line_type, count(*), sum(calls), sum(real_cost)
    from (
        select * from later.billing.bill_lines
        where line_id not in (select line_id from earlier.billing.bill_lines)
    )
    group by settled_on, line_type
    order by settled_on, line_type
"""


@dataclass(frozen=True)
class Changes:
    """From an earlier release to a later one."""

    earlier: Manifest
    later: Manifest
    runs: Rows
    loads: list[SourceLoad]
    settings: list[tuple[str, str, str]]
    new_dates: list[date]
    changed_dates: list[date]
    changed_tables: list[str]
    lines: Rows
    bills: Rows


def changes_between(one: Release, other: Release) -> Changes:
    """What changed between two releases, the earlier one first whichever way they are
    named. Raises UsageError if one of them cannot be read."""
    earlier_release, later_release = sorted((one, other), key=lambda r: r.manifest.run_id)
    earlier, later = earlier_release.manifest, later_release.manifest
    both = earlier.settlement_hashes.keys() & later.settlement_hashes.keys()
    con = duckdb.connect()
    try:
        earlier_release.attach(con, "earlier")
        later_release.attach(con, "later")
        return Changes(
            earlier=earlier,
            later=later,
            runs=con.execute(_RUNS, [earlier.run_id, later.run_id]).fetchall(),
            loads=[
                load
                for load in later.loads
                if (before := earlier.known.get(load.key)) is None
                or (before.quarantine_reason, before.retries)
                != (load.quarantine_reason, load.retries)
            ],
            settings=_settings(earlier, later),
            new_dates=sorted(later.settlement_hashes.keys() - both),
            changed_dates=sorted(
                day
                for day, content_hash in earlier.settlement_hashes.items()
                if later.settlement_hashes.get(day) != content_hash
            ),
            changed_tables=[
                table
                for table in later.table_hashes
                if earlier.table_hashes.get(table) != later.table_hashes[table]
            ],
            lines=con.execute(_LINES).fetchall(),
            bills=con.execute(_BILLS).fetchall(),
        )
    except duckdb.Error as error:
        raise UsageError(f"a release cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        con.close()


def _settings(earlier: Manifest, later: Manifest) -> list[tuple[str, str, str]]:
    """Versions, vars and seed rows that are not the same: what, before, after."""
    found = []
    for what, before, after in (
        ("version of", earlier.versions, later.versions),
        ("var", earlier.vars, later.vars),
    ):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                found.append((f"{what} {name}", str(before.get(name)), str(after.get(name))))
    for seed in sorted(earlier.seeds.keys() | later.seeds.keys()):
        rows_before, rows_after = earlier.seeds.get(seed, []), later.seeds.get(seed, [])
        found += [(f"seed {seed}", "", ",".join(r)) for r in rows_after if r not in rows_before]
        found += [(f"seed {seed}", ",".join(r), "") for r in rows_before if r not in rows_after]
    return found
