"""Loading the landing folder: which contents are new, their settlement floors, their batches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import groupby

import duckdb

from callbill.base.settings import BillingVars, Settings
from callbill.ingest.account_events import judge_account_events
from callbill.ingest.batch import BatchLoad, Incoming, Loader, LoadReport
from callbill.ingest.landing import LandingFile, Skipped, list_landing
from callbill.ingest.manifests import read_manifests
from callbill.ingest.shapes import call_log_shapes
from callbill.release.manifest import SourceLoad
from callbill.warehouse.warehouse import create_raw_views, raw_folder

MAX_BATCH_FILES = 500
MAX_BATCH_BYTES = 4 * 1024**3


def load_landing(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    billing_vars: BillingVars,
    run_id: str,
    through: date,
    first_open: date | None,
    known: Mapping[tuple[str, str], SourceLoad],
    announce: Callable[[int], Callable[[int], None]],
    *,
    only_known: bool = False,
) -> LoadReport:
    """Load every file that arrived by `through` and whose content is new; with `only_known` none
    that no release names.

    `first_open` is the first settlement date that is not sealed. `known` gives arrival, settlement
    floor and shape of contents that a release already names. `announce` is told how many bytes
    there are to load and gives back what to call as they are done.
    """
    report = LoadReport()
    landing = list_landing(settings.landing, frozenset(call_log_shapes()), billing_vars.zone)
    report.skipped = landing.skipped
    today = billing_vars.today()
    incoming = _incoming(con, landing.files, through, first_open, known, today, report)
    read_manifests(con, landing.manifests, through)
    if only_known:
        incoming = [one for one in incoming if one.key in known]
    scratch = settings.warehouse_files / "scratch"
    loader = Loader(con, settings, billing_vars, run_id, scratch, report)
    advance = announce(sum(one.file.size for one in incoming))
    again = [
        Incoming(one.file, one.source_file_id, retry.settlement_floor, retry.lines)
        for one in incoming
        if one.key in known
        for retry in known[one.key].retries
    ]
    for number, batch in enumerate([*_batches(incoming), *([one] for one in again)]):
        load_batch(loader, batch, f"{run_id}-{number:05d}")
        advance(sum(one.file.size for one in batch))
    _withdraw_known(con, settings, known.values(), run_id)
    create_raw_views(con, settings)
    judged = judge_account_events(con, run_id)
    report.accepted -= judged
    report.rejected += judged
    return report


def _incoming(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[LandingFile],
    through: date,
    first_open: date | None,
    known: Mapping[tuple[str, str], SourceLoad],
    today: date,
    report: LoadReport,
) -> list[Incoming]:
    """The files with new content, each content once: of copies the earlier arrival counts."""
    entries = {
        tuple(entry): source_file_id
        for *entry, source_file_id in con.execute(
            "select path, size_bytes, mtime_ns, inode, source_file_id from ops.landing_entries"
        ).fetchall()
    }
    loaded = set(con.execute("select feed, source_file_id from ops.source_files").fetchall())
    listed = {file.name for file in files}
    report.skipped += [
        Skipped(file.name, f"arrives on {file.arrived_on}, which is to come")
        for file in files
        if file.arrived_on > today
    ]
    if known.keys() <= loaded:
        # Otherwise one that seems to arrive later may be one the release knows, put back today.
        files = [file for file in files if file.arrived_on <= through]
    unknown = [file for file in files if file.entry not in entries]
    with ThreadPoolExecutor(max_workers=2) as pool:
        digests = dict(
            zip((f.name for f in unknown), pool.map(LandingFile.digest, unknown), strict=True)
        )
    incoming: dict[tuple[str, str], Incoming] = {}
    for file in files:
        source_file_id = entries.get(file.entry) or digests[file.name]
        if source_file_id is None and not os.access(file.path, os.R_OK):
            report.skipped.append(Skipped(file.name, "may not be read by this user"))
            continue
        if source_file_id is None or not file.is_unchanged():
            report.skipped.append(Skipped(file.name, "changed or vanished while it was read"))
            continue
        key = (file.feed, source_file_id)
        if key in loaded or key in incoming:
            if file.size == 0 and not file.may_be_empty:
                # Nothing is like anything: the one that is known may have been a plain file.
                report.skipped.append(Skipped(file.name, "is empty, which no such file is"))
            continue
        if key in known:
            floor = known[key].settlement_floor
            file = replace(file, arrived_on=known[key].arrived_on, shape=known[key].format)
        elif file.arrived_on > through:
            continue
        else:
            floor = settlement_floor(file.arrived_on, first_open)
        incoming[key] = Incoming(file, source_file_id, floor)
        if key in known:
            load = known[key]
            incoming[key] = replace(
                incoming[key], lines=load.lines_at_first, rejected=load.rejected
            )
    _remember(con, unknown, digests, through)
    _miss(con, listed, through)
    return list(incoming.values())


def settlement_floor(arrived_on: date, first_open: date | None) -> date:
    """The first settlement date that something can influence which is loaded now."""
    return max(arrived_on, first_open) if first_open else arrived_on


def _remember(
    con: duckdb.DuckDBPyConnection,
    files: Iterable[LandingFile],
    digests: dict[str, str | None],
    through: date,
) -> None:
    """Keep what the directory entries hold, so that a file is hashed once, and which of them held
    another content when they were loaded."""
    rows = [(*file.entry, digests[file.name]) for file in files if digests[file.name]]
    if rows:
        before = {
            path: (source_file_id, size)
            for path, source_file_id, size in con.execute(
                "select path, source_file_id, size_bytes from ops.landing_entries"
                " where list_contains(?, path)",
                [[row[0] for row in rows]],
            ).fetchall()
        }
        counting = _counting(con)
        for path, size, _mtime, _inode, source_file_id in rows:
            was, was_bytes = before.get(path, (source_file_id, size))
            if was != source_file_id and (path.split("/")[0], was) in counting:
                con.execute(
                    "insert into ops.landing_changes values (?, ?, ?, ?, ?, ?)",
                    [path, was, was_bytes, source_file_id, size, through],
                )
        con.execute(
            "insert or replace into ops.landing_entries select unnest($rows, max_depth := 2)",
            {"rows": [dict(zip(("p", "s", "m", "i", "f"), row, strict=True)) for row in rows]},
        )


def _miss(con: duckdb.DuckDBPyConnection, listed: Set[str], through: date) -> None:
    """Note which files that were loaded are gone, under whatever name, since the last run."""
    entries = con.execute(
        "select path, source_file_id, size_bytes from ops.landing_entries"
    ).fetchall()
    gone = [entry for entry in entries if entry[0] not in listed]
    if not gone:
        return
    there = {source_file_id for path, source_file_id, _size in entries if path in listed}
    counting = _counting(con)
    for path, source_file_id, size in gone:
        if source_file_id not in there and (path.split("/")[0], source_file_id) in counting:
            con.execute(
                "insert into ops.landing_changes values (?, ?, ?, null, null, ?)",
                [path, source_file_id, size, through],
            )
        con.execute("delete from ops.landing_entries where path = ?", [path])


def _counting(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """The files whose records count."""
    return set(
        con.execute(
            "select feed, source_file_id from ops.source_files where quarantine_reason is null"
        ).fetchall()
    )


def _batches(incoming: Iterable[Incoming]) -> Iterator[list[Incoming]]:
    """Files that one statement can load: of one feed, shape and kind, in order of their floors."""

    def kind(one: Incoming) -> tuple[str, str, str, bool]:
        # One that is judged by line is read line by line, and need not slow down the others.
        return one.file.feed, one.file.shape, one.file.kind, one.is_judged_by_line

    in_order = sorted(incoming, key=lambda one: (*kind(one), one.settlement_floor, one.file.name))
    for _kind, group in groupby(in_order, kind):
        batch: list[Incoming] = []
        size = 0
        for one in group:
            if batch and (len(batch) >= MAX_BATCH_FILES or size + one.file.size > MAX_BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(one)
            size += one.file.size
        yield batch


def load_batch(loader: Loader, batch: Sequence[Incoming], name: str) -> None:
    """Load a batch and commit it; files that changed meanwhile are left for the next run."""
    tries = list(batch)
    while tries:
        shutil.rmtree(loader.scratch, ignore_errors=True)  # a killed run's
        loader.scratch.mkdir(parents=True)
        load = BatchLoad(loader, tries, name)
        try:
            try:
                load.read()
            except FileNotFoundError:
                if all(one.file.is_unchanged() for one in tries):
                    raise
            unchanged = [one for one in tries if one.file.is_unchanged()]
            if len(unchanged) == len(tries):
                load.commit()
                return
        finally:
            load.clear()
        for one in tries:
            if one not in unchanged:
                loader.report.skipped.append(Skipped(one.file.name, "changed while it was read"))
        tries = unchanged


def _withdraw_known(
    con: duckdb.DuckDBPyConnection, settings: Settings, loads: Iterable[SourceLoad], run_id: str
) -> None:
    """Know the files as withdrawn that a release names so, whether they are still there or not."""
    withdrawn = con.execute(
        "select feed, source_file_id from ops.source_files where quarantine_reason is not null"
    ).fetchall()
    for load in loads:
        key = (load.feed, load.source_file_id)
        if load.quarantine_reason is not None and key not in withdrawn:
            know_file(con, load, size=0, run_id=run_id)
            withdraw(con, settings, *key, load.quarantine_reason)


def know_file(con: duckdb.DuckDBPyConnection, load: SourceLoad, *, size: int, run_id: str) -> None:
    """Have a file known that is not to be loaded, unless it is."""
    con.execute(
        "insert or ignore into ops.source_files"
        " values ($id, $feed, $path, $format, $arrived, $floor, $size, 0, 0, 0, $run, $now, null)",
        {
            "id": load.source_file_id,
            "feed": load.feed,
            "path": load.path,
            "format": load.format,
            "arrived": load.arrived_on,
            "floor": load.settlement_floor,
            "size": size,
            "run": run_id,
            "now": datetime.now(UTC),
        },
    )


def withdraw(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: str,
    source_file_id: str,
    reason: str,
) -> None:
    """Have a file count no longer: it stays known, so that it is not loaded again."""
    con.begin()
    con.execute(
        "update ops.source_files set quarantine_reason = ? where feed = ? and source_file_id = ?",
        [reason, feed, source_file_id],
    )
    if feed != "call_logs":
        con.execute(f"delete from raw.{feed} where source_file_id = ?", [source_file_id])
    con.commit()
    create_raw_views(con, settings)


def withdraw_retries(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: str,
    source_file_id: str,
    sealed: date,
) -> int:
    """Have the lines of a file that were read again count no longer, as far as they settle after
    `sealed`: they are rejected as before. Gives their number."""
    of_file = "feed = $feed and source_file_id = $file"
    names = {"feed": feed, "file": source_file_id}
    con.begin()
    retries = con.execute(
        f"delete from ops.retries where {of_file} and settlement_floor > $sealed"
        " returning run_id, settlement_floor, line_numbers, rejects",
        names | {"sealed": sealed},
    ).fetchall()
    parts: list[tuple[str]] = []
    counted = 0
    for run_id, floor, numbers, rejects in retries:
        counted += len(numbers)
        # A reading again writes files of its own, named by its run.
        parts += con.execute(
            "delete from ops.raw_files where starts_with(file_name, ?) returning file_name",
            [f"settlement_floor={floor}/{run_id}-"],
        ).fetchall()
        if feed != "call_logs":
            con.execute(
                f"delete from raw.{feed} where source_file_id = ? and list_contains(?, line_number)"
                " and settlement_floor = ?",
                [source_file_id, numbers, floor],
            )
        con.execute(
            f"delete from ops.rejected_records where {of_file}"
            " and list_contains($numbers, line_number)",
            names | {"numbers": numbers},
        )
        # Of what a rebuild read again it is not known what it was rejected for.
        con.execute(
            f"""
            insert into ops.rejected_records by name
            select
                f.source_file_id, f.feed, f.path, n.line_number,
                coalesce(r.reason, 'read_again_and_withdrawn') as reason, r.detail, r.fields,
                coalesce(r.run_id, f.run_id) as run_id
            from ops.source_files as f
            cross join (select unnest($numbers) as line_number) as n
            left join (select unnest($rejects, recursive := true)) as r using (line_number)
            where {of_file}
            """,
            names | {"numbers": numbers, "rejects": rejects or []},
        )
    con.execute(
        f"""
        update ops.source_files set
            records_accepted = records_accepted - $counted,
            records_rejected = records_rejected + $counted
        where {of_file}
        """,
        names | {"counted": counted},
    )
    con.commit()
    for (name,) in parts:
        (raw_folder(settings, feed) / name).unlink()
    return counted
