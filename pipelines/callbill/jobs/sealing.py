"""What is sealed, and how a run takes it over from the current release.

The current release alone decides what is sealed. A run begins by copying its seals, its catalogue
and its history into the warehouse, and by checking that the files, vars, seeds and rules that it
was made from are still the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from callbill.base.catalogue import counts_from, figure_seeds
from callbill.base.errors import UsageError
from callbill.base.settings import BillingVars, Settings
from callbill.ingest.feed import raw_tables
from callbill.release.manifest import Manifest, figure_vars
from callbill.release.release import Release
from callbill.warehouse.warehouse import Parameters, Warehouse


@contextmanager
def adopted_warehouse(settings: Settings, current: Manifest | None) -> Iterator[Warehouse]:
    """The warehouse, open for writing, after it has finished what a broken run left and has adopted
    the current release.

    Raises LockedError if another process has it open, UsageError as `Warehouse.open`,
    `RawRecords.check_files` and `adopt` do.
    """
    warehouse = Warehouse.open(settings, raw_tables())
    try:
        warehouse.raw_records.finish_loads()
        warehouse.raw_records.check_files()
        adopt(warehouse, current)
        yield warehouse
    finally:
        warehouse.close()


def adopt(warehouse: Warehouse, current: Manifest | None) -> None:
    """Copy the seals of the current release into the warehouse.

    Raises UsageError if the two do not belong together: the warehouse is sealed further than the
    release, has another hash for a sealed date, or another settlement floor for a file.
    """
    sealed_through = warehouse.sealed_through
    if sealed_through is not None and (current is None or current.through < sealed_through):
        released = (
            f"the current release only through {current.through}" if current else "no release"
        )
        raise UsageError(
            f"the warehouse is sealed through {sealed_through}, but there is {released}: "
            "name the published folder that belongs to this warehouse with --published"
        )
    if current is None:
        return
    sealed: dict[date, str] = dict(
        warehouse.rows("select settled_on, content_hash from ops.sealed_settlements")
    )
    for settled_on, content_hash in sorted(sealed.items()):
        if current.settlement_hashes.get(settled_on) != content_hash:
            raise UsageError(
                f"the current release says otherwise of {settled_on} than what this warehouse "
                "sealed: they do not belong together"
            )
    floors = warehouse.rows(
        "select feed, source_file_id, settlement_floor, path from ops.loaded_files"
    )
    for feed, source_file_id, floor, path in floors:
        load = current.loads_by_key.get((feed, source_file_id))
        if load is not None and load.settlement_floor != floor:
            raise UsageError(
                f"the warehouse loaded {path} for settlement from {floor} on, the current release "
                f"from {load.settlement_floor} on: `callbill rebuild` makes a new one from the "
                "release"
            )
    new = [day for day in current.settlement_hashes if day not in sealed]
    warehouse.execute(
        """
        insert into ops.sealed_settlements
        select unnest($days), unnest($hashes), $run_id, unnest($billing_rules), unnest($recipes)
        """,
        {
            "days": new,
            "hashes": [current.settlement_hashes[day] for day in new],
            "run_id": current.run_id,
            "billing_rules": [current.date_rules[day].billing_rules for day in new],
            "recipes": [current.date_rules[day].hash_recipe for day in new],
        },
    )


def check_all_loaded(warehouse: Warehouse, current: Manifest | None) -> None:
    """Raises UsageError if a file that the release was made from is not in the warehouse."""
    if current is None:
        return
    loaded = set(warehouse.rows("select feed, source_file_id from ops.loaded_files"))
    missing = [
        load
        for load in current.loads
        if (load.feed, load.source_file_id) not in loaded and load.quarantine_reason is None
    ]
    if missing:
        raise UsageError(
            f"{len(missing)} file(s) that the current release was made from are neither in the "
            f"warehouse nor in the landing folder, {missing[0].path} among them "
            f"(SHA-256 {missing[0].sha256}): put them back"
        )


def check_no_new_rejects(warehouse: Warehouse, current: Manifest | None, run_id: str) -> None:
    """Raises UsageError if this run, loading a released file again, rejected a line that the
    release counts."""
    files = warehouse.rows(
        "select distinct feed, source_file_id from ops.rejected_lines where run_id = ?", [run_id]
    )
    released = current.loads_by_key if current else {}
    loads = (released[key] for key in files if key in released)
    for load in sorted(loads, key=lambda load: load.path):
        if load.rejected_lines is None or load.quarantine_reason is not None:
            continue  # withdrawn, or released by a callbill that did not list rejects
        lines = warehouse.rows(
            """
            select r.line_number, r.reason
            from ops.rejected_lines as r
            where r.feed = ? and r.source_file_id = ? and r.run_id = ?
            order by r.line_number nulls first
            """,
            [load.feed, load.source_file_id, run_id],
        )
        rejected = load.rejected
        newly_rejected = [row for row in lines if rejected is None or row[0] not in rejected]
        if newly_rejected:
            line, reason = newly_rejected[0]
            raise UsageError(
                f"{len(newly_rejected)} line(s) of {load.path} that the current release counts are "
                f"rejected by today's rules, line {line} ({reason}) among them: bring the rule or "
                "shape back"
            )


def check_figures_unchanged(
    warehouse: Warehouse, settings: Settings, current: Manifest | None, billing_vars: BillingVars
) -> None:
    """Check that the vars and the catalogue still give the sealed figures.

    Raises UsageError if a var differs from the one that sealed dates were settled with, if a
    catalogue row that a sealed date used is gone or was edited, or if a row is not valid.
    """
    seeds = figure_seeds(settings.catalogue)
    if current is None:
        return
    for name, value in figure_vars(billing_vars).items():
        sealed_value = current.vars.get(name)
        if sealed_value != value:
            raise UsageError(
                f"var {name} is {value!r}, but what is sealed through {current.through} was made "
                f"with {sealed_value!r}: set it back, or start another warehouse and published "
                "folder"
            )
    for seed, before in current.seeds.items():
        for row in before:
            if row not in seeds.get(seed, []) and _touches_sealed(
                warehouse, seed, row, before, current
            ):
                raise UsageError(
                    f"{settings.catalogue.name}/{seed}.csv: row {','.join(row)} was removed or "
                    "edited, and what is "
                    f"sealed through {current.through} was made with it: put it back, and add a "
                    "row for what is otherwise from now on"
                )


def record_catalogue(
    warehouse: Warehouse, settings: Settings, current: Manifest | None
) -> list[tuple[str, list[str], date]]:
    """Write `ops.catalogue_rows`: from which settlement date each row of the catalogue counts.

    Returns the rows that are new since the current release: seed, row and that date.
    """
    seeds = figure_seeds(settings.catalogue)
    released = current.counts_from if current else {}
    counts = counts_from(seeds, released, current.through + timedelta(days=1) if current else None)
    rows = [(seed, list(row), day) for (seed, row), day in sorted(counts.items())]
    with warehouse.transaction():
        warehouse.execute("delete from ops.catalogue_rows")
        warehouse.insert("ops.catalogue_rows", rows)
    if current is None:
        return []
    return [(seed, row, day) for seed, row, day in rows if (seed, tuple(row)) not in released]


def _touches_sealed(
    warehouse: Warehouse, seed: str, row: list[str], rows: list[list[str]], current: Manifest
) -> bool:
    """Whether a sealed settlement depends on a row. `rows` are the sealed rows of its seed."""
    if not warehouse.has("billing", "calls"):
        return False
    first_dates = {tuple(other): current.counts_from[seed, tuple(other)] for other in rows}
    first_date = first_dates[tuple(row)]
    if first_date > current.through:
        return False
    if seed == "component_actions":
        # Calls of the action that were settled since, and those that had waited for the row.
        return _any(
            warehouse,
            """
            select 1 from raw.call_logs
            where action = $action and settled_on between $first and $through
            union all
            select 1
            from raw.call_logs as records
            semi join billing.calls as calls
                on records.request_id = calls.request_id
                    and calls.records = 0
                    and calls.component_code = $component
                    and calls.settled_on between $first and $through
            where records.action = $action and records.settled_on < $first
            limit 1
            """,
            {
                "action": row[0],
                "component": row[1],
                "first": first_date,
                "through": current.through,
            },
        )
    if seed == "products":
        return False  # which components a product has is in the rows of components
    if seed == "components":
        return _any(
            warehouse,
            "select 1 from billing.calls where component_code = ? and settled_on <= ? limit 1",
            [row[0], current.through],
        )
    component, effective_from = row[:2]
    # From this usage date on a later row, known as early as this one, gave the price.
    until = min(
        (
            other[1]
            for other in rows
            if other[0] == component
            and other[1] > effective_from
            and first_dates[tuple(other)] <= first_date
        ),
        default="9999-12-31",
    )
    # Calls settled before the row counted are included: it re-rated them on its first date.
    return _any(
        warehouse,
        """
        select 1 from billing.calls
        where component_code = ? and usage_date >= ? and usage_date < ? and settled_on <= ? limit 1
        """,
        [component, effective_from, until, current.through],
    )


def _any(warehouse: Warehouse, query: str, parameters: Parameters) -> bool:
    return bool(warehouse.rows(query, parameters))


def copy_release_history(warehouse: Warehouse, release: Release) -> None:
    """Copy the release's history into a warehouse that does not have it: runs, their controls, when
    files were loaded, why lines were rejected."""
    is_known = warehouse.rows("select 1 from ops.runs where run_id = ?", [release.run_id])
    if is_known or not release.database.exists():
        return
    release.attach(warehouse.con, "sealed")
    try:
        warehouse.execute("insert or ignore into ops.runs by name from sealed.ops.runs")
        # A warehouse that is older than the release has what was found before.
        new = (
            "insert into ops.{0} by name from sealed.ops.{0} as released"
            " where released.run_id not in (select run_id from ops.{0})"
        )
        warehouse.execute(new.format("control_results"))
        if _any(  # releases before 0.7 have none
            warehouse,
            "select 1 from duckdb_tables() where database_name = ? and table_name = ?",
            ["sealed", "unbilled_calls"],
        ):
            warehouse.execute(new.format("unbilled_calls"))
        warehouse.execute(
            """
            update ops.loaded_files set run_id = released.run_id, loaded_at = released.loaded_at
            from sealed.ops.source_files as released
            where loaded_files.feed = released.feed
                and left(loaded_files.source_file_id, 64) = released.source_file_id
                and loaded_files.arrived_on = released.arrived_on
            """
        )
        warehouse.execute(
            """
            update ops.rejected_lines as loaded
            set run_id = released.run_id, reason = released.reason, detail = released.detail,
                fields = released.fields
            from sealed.ops.rejected_records as released
            inner join sealed.ops.source_files as file
                on released.feed = file.feed and released.source_file_id = file.source_file_id
                    and released.path = file.path
            inner join ops.loaded_files as loaded_file
                on file.feed = loaded_file.feed
                    and file.source_file_id = left(loaded_file.source_file_id, 64)
                    and file.arrived_on = loaded_file.arrived_on
            where loaded.feed = released.feed
                and loaded.source_file_id = loaded_file.source_file_id
                and loaded.line_number is not distinct from released.line_number
            """
        )
    finally:
        warehouse.execute("detach sealed")
