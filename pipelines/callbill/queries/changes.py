"""`callbill diff`: what changed between two releases: runs, files, settings, lines and bills."""

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

# Both releases are attached, as `earlier` and `later`.
_RUNS = """
    select
        run_id, started_by, through_date, outcome, files_loaded, records_accepted,
        records_rejected, round(epoch(finished_at - started_at), 1) as seconds, step_seconds,
        message
    from later.ops.runs
    where run_id > ? and run_id <= ?
    order by run_id
"""
_BILLS = """
    select
        bill_month,
        owner_uin,
        product_code,
        before.calls,
        after.calls,
        before.deducted_amount,
        after.deducted_amount,
        coalesce(after.deducted_amount, 0) - coalesce(before.deducted_amount, 0)
    from earlier.billing.monthly_bills as before
    full outer join later.billing.monthly_bills as after
        using (bill_month, owner_uin, product_code)
    where
        (before.calls, before.list_cost, before.rated_amount, before.deducted_amount)
        is distinct from (after.calls, after.list_cost, after.rated_amount, after.deducted_amount)
    order by bill_month, owner_uin, product_code
"""
_NEW_LINES = """
    with new_lines as (
        select *
        from later.billing.bill_lines
        where line_id not in (select line_id from earlier.billing.bill_lines)
    )

    select settled_on, line_type, count(*), sum(calls), sum(real_cost)
    from new_lines
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
    """Files that were loaded, withdrawn or read again since."""
    settings: list[tuple[str, str, str]]
    """Versions, vars and seed rows that differ: what, before, after."""
    new_dates: list[date]
    changed_dates: list[date]
    """Sealed dates whose content hash differs. There should be none."""
    changed_tables: list[str]
    lines: Rows
    bills: Rows


def changes_between(release: Release, other_release: Release) -> Changes:
    """What changed between two releases. The order in which they are named does not matter.

    Raises UsageError if one of them cannot be read.
    """
    earlier_release, later_release = sorted(
        (release, other_release), key=lambda r: r.manifest.run_id
    )
    earlier, later = earlier_release.manifest, later_release.manifest
    con = duckdb.connect()
    try:
        earlier_release.attach(con, "earlier")
        later_release.attach(con, "later")
        return Changes(
            earlier=earlier,
            later=later,
            runs=con.execute(_RUNS, [earlier.run_id, later.run_id]).fetchall(),
            loads=changed_loads(earlier, later),
            settings=changed_settings(earlier, later),
            new_dates=sorted(later.settlement_hashes.keys() - earlier.settlement_hashes.keys()),
            changed_dates=sorted(
                day
                for day, content_hash in earlier.settlement_hashes.items()
                if later.settlement_hashes.get(day) != content_hash
            ),
            changed_tables=[
                table
                for table, content_hash in later.table_hashes.items()
                if earlier.table_hashes.get(table) != content_hash
            ],
            lines=con.execute(_NEW_LINES).fetchall(),
            bills=con.execute(_BILLS).fetchall(),
        )
    except duckdb.Error as error:
        raise UsageError(f"a release cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        con.close()


def changed_loads(earlier: Manifest, later: Manifest) -> list[SourceLoad]:
    """The files that the later release knows otherwise than the earlier one, or alone."""
    changed = []
    for load in later.loads:
        before = earlier.loads_by_key.get(load.key)
        if before is None or (before.quarantine_reason, before.retries) != (
            load.quarantine_reason,
            load.retries,
        ):
            changed.append(load)
    return changed


def changed_settings(earlier: Manifest, later: Manifest) -> list[tuple[str, str, str]]:
    changed = []
    for kind, values_before, values_after in (
        ("version of", earlier.versions, later.versions),
        ("var", earlier.vars, later.vars),
    ):
        for name in sorted(values_before.keys() | values_after.keys()):
            before, after = values_before.get(name), values_after.get(name)
            if before != after:
                changed.append((f"{kind} {name}", str(before), str(after)))
    for seed in sorted(earlier.seeds.keys() | later.seeds.keys()):
        rows_before, rows_after = earlier.seeds.get(seed, []), later.seeds.get(seed, [])
        changed += [(f"seed {seed}", "", ",".join(r)) for r in rows_after if r not in rows_before]
        changed += [(f"seed {seed}", ",".join(r), "") for r in rows_before if r not in rows_after]
    return changed
