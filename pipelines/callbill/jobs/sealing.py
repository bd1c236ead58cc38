"""What is sealed: `published/current` decides, and a run begins by taking over what it says."""

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
from callbill.warehouse.loads import REASONS_BESIDE_OTHERS
from callbill.warehouse.warehouse import Warehouse


@contextmanager
def adopted_warehouse(settings: Settings, current: Manifest | None) -> Iterator[Warehouse]:
    """The warehouse, with what a broken run left behind brought into line and what is sealed taken
    over. Raises LockedError if another process has it open, UsageError as `check_files` and
    `adopt` do."""
    warehouse = Warehouse.open(settings, raw_tables())
    try:
        warehouse.finish_loads()
        warehouse.check_files()
        adopt(warehouse, current)
        yield warehouse
    finally:
        warehouse.close()


def adopt(warehouse: Warehouse, current: Manifest | None) -> None:
    """Take over what the current release says is sealed.

    Raises UsageError if the warehouse was sealed further than the release it finds, or otherwise:
    then one of the two is not the other's.
    """
    sealed_through = warehouse.sealed_through
    if sealed_through is not None and (current is None or current.through < sealed_through):
        found = f"the current release only through {current.through}" if current else "no release"
        raise UsageError(
            f"the warehouse is sealed through {sealed_through}, but there is {found}: "
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
        "select feed, source_file_id, settlement_floor, path from ops.source_files"
    )
    for feed, source_file_id, floor, path in floors:
        known = current.known.get((feed, source_file_id))
        if known is not None and known.settlement_floor != floor:
            raise UsageError(
                f"the warehouse loaded {path} for settlement from {floor} on, the current release "
                f"from {known.settlement_floor} on: `callbill rebuild` makes a new one from the "
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
    """UsageError if a file that the release was made from is neither loaded nor in landing."""
    if current is None:
        return
    loaded = set(warehouse.rows("select feed, source_file_id from ops.source_files"))
    missing = [
        load
        for load in current.loads
        if (load.feed, load.source_file_id) not in loaded and load.quarantine_reason is None
    ]
    if missing:
        raise UsageError(
            f"{len(missing)} file(s) that the current release was made from are neither in the "
            f"warehouse nor in the landing folder, {missing[0].path} among them "
            f"(SHA-256 {missing[0].source_file_id}): put them back"
        )


def check_judged_alike(warehouse: Warehouse, current: Manifest | None, run_id: str) -> None:
    """UsageError if a line that the release counts was rejected when its file was loaded anew."""
    files = warehouse.rows(
        "select distinct feed, source_file_id from ops.rejected_records where run_id = ?", [run_id]
    )
    for key in files:
        load = current.known.get(key) if current else None
        if load is None or load.rejected_lines is None or load.quarantine_reason is not None:
            continue  # new, or withdrawn; an older callbill did not say which lines were rejected
        lines = warehouse.rows(
            """
            select r.line_number, r.reason
            from ops.rejected_records as r
            where r.feed = ? and r.source_file_id = ? and r.run_id = ?
                and not list_contains(?, r.reason)
            order by r.line_number nulls first
            """,
            [load.feed, load.source_file_id, run_id, REASONS_BESIDE_OTHERS],
        )
        rejected = load.rejected
        today = [row for row in lines if rejected is None or row[0] not in rejected]
        if today:
            line, reason = today[0]
            raise UsageError(
                f"{len(today)} line(s) of {load.path} that the current release counts are rejected "
                f"by today's rules, line {line} ({reason}) among them: bring the rule or shape back"
            )


def check_figures_unchanged(
    warehouse: Warehouse, current: Manifest | None, billing_vars: BillingVars
) -> None:
    """UsageError if a var is not what sealed dates were settled with, if a row of the catalogue
    that a sealed date used is gone or was edited, or if a row has no meaning at all."""
    now = figure_seeds()
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
            if row not in now.get(seed, []) and _touches_sealed(
                warehouse, seed, row, before, current
            ):
                raise UsageError(
                    f"seeds/{seed}.csv: row {','.join(row)} was removed or edited, and what is "
                    f"sealed through {current.through} was made with it: put it back, and add a "
                    "row for what is otherwise from now on"
                )


def take_catalogue(
    warehouse: Warehouse, current: Manifest | None
) -> list[tuple[str, list[str], date]]:
    """Have `ops.catalogue_rows` say from which settlement date on each row counts.

    Gives the rows that were added since the current release, with that date.
    """
    seeds = figure_seeds()
    known = current.counts_from if current else {}
    counts = counts_from(seeds, known, current.through + timedelta(days=1) if current else None)
    rows = [(seed, list(row), day) for (seed, row), day in sorted(counts.items())]
    with warehouse.transaction():
        warehouse.execute("delete from ops.catalogue_rows")
        warehouse.insert("ops.catalogue_rows", rows)
    if current is None:
        return []
    return [(seed, row, day) for seed, row, day in rows if (seed, tuple(row)) not in known]


def _touches_sealed(
    warehouse: Warehouse, seed: str, row: list[str], rows: list[list[str]], current: Manifest
) -> bool:
    """Whether a row, beside the rows that were sealed with, matters to a sealed settlement."""
    if not warehouse.has("billing", "calls"):
        return False
    counted = {tuple(one): current.counts_from[seed, tuple(one)] for one in rows}
    counts_from = counted[tuple(row)]
    sealed = [counts_from, current.through]
    if counts_from > current.through:
        return False
    if seed == "component_actions":
        return _any(
            warehouse,
            "select 1 from raw.call_logs where action = ? and settled_on between ? and ? limit 1",
            [row[0], *sealed],
        )
    if seed == "products":
        return False  # a component is of it or not: its own row tells
    if seed == "components":
        return _any(
            warehouse,
            "select 1 from billing.calls where component_code = ? and settled_on <= ? limit 1",
            [row[0], current.through],
        )
    component, effective_from = row[:2]
    # Usage from here on was priced by a later row whenever this one was known.
    until = min(
        (
            other[1]
            for other in rows
            if other[0] == component
            and other[1] > effective_from
            and counted[tuple(other)] <= counts_from
        ),
        default="9999-12-31",
    )
    # Also what was settled before it counted: it was re-rated on that date.
    return _any(
        warehouse,
        """
        select 1 from billing.calls
        where component_code = ? and usage_date >= ? and usage_date < ? and settled_on <= ? limit 1
        """,
        [component, effective_from, until, current.through],
    )


def _any(warehouse: Warehouse, query: str, parameters: list[object]) -> bool:
    return bool(warehouse.rows(query, parameters))


def take_over_history(warehouse: Warehouse, release: Release) -> None:
    """Runs, their controls, when a file was loaded and why a line was rejected, as far as the
    release tells of them; nothing if this warehouse knows the release."""
    is_known = warehouse.rows("select 1 from ops.runs where run_id = ?", [release.run_id])
    if is_known or not release.database.exists():
        return
    release.attach(warehouse.con, "sealed")
    try:
        warehouse.execute("insert or ignore into ops.runs by name from sealed.ops.runs")
        warehouse.execute("insert into ops.control_results by name from sealed.ops.control_results")
        warehouse.execute(
            """
            update ops.loaded_files set run_id = known.run_id, loaded_at = known.loaded_at
            from sealed.ops.source_files as known
            where loaded_files.feed = known.feed
                and loaded_files.source_file_id = known.source_file_id
            """
        )
        warehouse.execute(
            """
            update ops.rejected_lines as again
            set run_id = known.run_id, reason = known.reason, detail = known.detail,
                fields = known.fields
            from sealed.ops.rejected_records as known
            where again.feed = known.feed and again.source_file_id = known.source_file_id
                and again.line_number is not distinct from known.line_number
            """
        )
    finally:
        warehouse.execute("detach sealed")
