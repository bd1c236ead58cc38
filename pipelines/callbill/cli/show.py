"""What commands print: bills, runs, rejects and what controls found.

Texts that came from outside are shown with control characters escaped, so that a log line cannot
steer the terminal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from rich.console import Console
from rich.text import Text

from callbill.base.errors import CallbillError, LockedError, UsageError, VerificationError
from callbill.base.findings import ControlResult, TableDifference
from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.base.text import printable
from callbill.cli.tables import open_console, table_of
from callbill.ingest.readers import json_lines
from callbill.ingest.readers.unpacking import open_unpacked
from callbill.release.release import Published
from callbill.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from callbill.jobs.summary import RunSummary
    from callbill.queries.reconcile import Reconciliation
    from callbill.verify import Verification


def _open_release(settings: Settings) -> duckdb.DuckDBPyConnection:
    return Published(settings.published).require_current().open()


def show_run(settings: Settings, summary: RunSummary) -> None:
    """The end of a run: what was read and checked, the bills, and where they were published."""
    console = open_console()
    if summary.outcome == "nothing_due":
        console.print(f"Nothing due: {summary.message}.")
    else:
        _show_work(console, summary)
    if summary.outcome == "dry_run":
        console.print(
            f"Dry run: would settle {summary.settle_from} to {summary.through}; nothing was kept."
        )
        return
    published = Published(settings.published)
    release = published.current()
    if release is None:
        return
    con = release.open()
    try:
        _show_months(console, con)
        _show_arrears(console, con, settings)
    finally:
        con.close()
    if summary.outcome == "published":
        console.print(f"Settled {summary.settle_from} to {summary.through}.")
    console.print("The bills are published in", soft_wrap=True)
    console.print(f"  {published.link}", soft_wrap=True)
    console.print(f"  (release {release.run_id})", soft_wrap=True)
    index = (published.link / "site" / "index.html").absolute()
    if index.exists():  # releases before 0.5 have none
        console.print("To look at them, open")
        console.print(f"  {index.as_uri()}", soft_wrap=True)


def _show_work(console: Console, summary: RunSummary) -> None:
    loaded = summary.loaded
    console.print(
        f"Read {loaded.files} new files: {loaded.lines_read} lines,"
        f" {loaded.accepted} records accepted, {loaded.rejected} rejected"
        + (f", {loaded.unreadable_files} files unreadable" if loaded.unreadable_files else "")
        + "."
    )
    # A dry run's rejects are gone with its copy of the warehouse.
    if (loaded.rejected or loaded.unreadable_files) and summary.outcome != "dry_run":
        console.print("What was rejected and why: callbill rejects")
    for skipped in loaded.skipped:
        console.print(f"Not read: {printable(skipped.name)}: {skipped.why}")
    passed = sum(result.passed for result in summary.results)
    console.print(f"Controls: {passed} of {len(summary.results)} passed.")
    for result in summary.results:
        if not result.passed:
            _show_control(console, result)


def _show_months(console: Console, con: duckdb.DuckDBPyConnection) -> None:
    months = con.execute(
        "select distinct bill_month from billing.monthly_bills order by 1 desc limit 3"
    ).fetchall()
    for (month,) in reversed(months):
        rows = con.execute(
            """
            select owner_uin, product_code, calls, list_cost, discount_amount, rated_amount,
                adjustment_amount, deducted_amount
            from billing.monthly_bills where bill_month = ? order by deducted_amount desc, 1, 2
            """,
            [month],
        ).fetchall()
        shown = rows[:20]
        console.print(
            table_of(
                f"Bills of {month:%Y-%m} (CNY)",
                ["account", "product", "#calls", "#原价 list cost", "#优惠 discount", "#rated",
                 "#精度差异 adjustment", "#扣费 deducted"],
                shown,
            )
        )  # fmt: skip
        if len(rows) > len(shown):
            console.print(f"  and {len(rows) - len(shown)} more accounts")


def show_bill(
    settings: Settings,
    owner: str,
    month: date,
    known_on: date | None = None,
    *,
    ids: bool = False,
) -> None:
    """An account's bill: lines as the console shows them, settlements, precision adjustment.

    With `known_on` as it stood on that date. UsageError if that is not settled yet.
    """
    con = _open_release(settings)
    try:
        [(through,)] = con.execute("select max(settled_on) from ops.sealed_settlements").fetchall()
        if known_on is not None and known_on > through:
            raise UsageError(f"--known-on {known_on}: the bills are settled through {through} only")
        known = f"_known_on(date '{known_on or through}')"
        lines = con.execute(
            f"""
            select settled_on, usage_date, line_type, component_name, list_price,
                coalesce(cast(discount as varchar), 'agreed'), contract_price, price_unit,
                used_amount, used_amount_unit, list_cost, real_cost, line_id
            from billing.bill_lines{known} where owner_uin = ? and bill_month = ?
            order by settled_on, usage_date, line_type, contract_price, line_id
            """,
            [owner, month],
        ).fetchall()
        settlements = con.execute(
            f"""
            select settled_on, product_code, rated_amount, deducted_amount, residual_amount
            from billing.settlements{known} where owner_uin = ? and bill_month = ?
            order by 1, 2
            """,
            [owner, month],
        ).fetchall()
        adjustment = con.execute(
            f"""
            select rated_amount, deducted_amount, adjustment_amount, is_final
            from billing.precision_adjustments{known} where owner_uin = ? and bill_month = ?
            """,
            [owner, month],
        ).fetchall()
    finally:
        con.close()
    console = open_console()
    as_of = f" as known on {known_on}" if known_on else ""
    if not lines:
        console.print(f"Account {printable(owner)} has no bill of {month:%Y-%m}{as_of}.")
        return
    console.print(
        table_of(
            f"Bill of account {printable(owner)}, {month:%Y-%m}{as_of} (CNY)",
            ["settled", "usage", "line", "组件名称", "#刊例价", "#折扣率", "#优惠后单价",
             "价格单位", "#用量", "单位", "#原价", "#优惠后总价", *(["#line id"] if ids else [])],
            [line if ids else line[:-1] for line in lines],
        )
    )  # fmt: skip
    console.print(
        table_of(
            "Settlements (日结)", ["settled", "product", "#rated", "#扣费 deducted", "#difference"],
            settlements,
        )
    )  # fmt: skip
    [(rated, deducted, difference, is_final)] = adjustment
    sign = "charged too much" if difference > 0 else "charged too little, borne by the platform"
    console.print(
        "月度计费精度差异 precision adjustment:"
        f" deducted {deducted:f} − rated {rated:f} = {difference:f}"
        + (f" ({sign})" if difference else "")
        + ("." if is_final else "; the month is still open."),
        soft_wrap=True,
    )


def show_reconciliation(found: Reconciliation) -> None:
    """Bills of the vendor beside ours, the rows that differ, and what each difference is."""
    console = open_console()
    parts = found.bills[0].parts if found.bills else ()
    console.print(
        table_of(
            f"Bills compared as known by {found.through} (CNY; difference: the vendor's less ours)",
            ["month", "account", "#ours", "#theirs", "#difference", *(f"#{p}" for p in parts)],
            [
                [
                    *(f"{bill.bill_month:%Y-%m}", bill.owner_uin, bill.real_cost),
                    *(bill.vendor_cost, bill.cost_difference),
                    *(amount or "" for amount in bill.parts.values()),
                ]
                for bill in found.bills
            ],
        )
    )
    if found.differences:
        console.print(
            table_of(
                "What differs",
                [
                    *("month", "account", "usage date", "component", "why"),
                    *("#our calls", "#their calls", "#our price", "#their price"),
                    *("#our cost", "#their cost", "#difference"),
                ],
                [[f"{row[0]:%Y-%m}", *row[1:]] for row in found.differences],
            )
        )
    elif found.bills:
        console.print("Nothing differs.")
    if found.left_out:
        console.print(f"{found.left_out} line(s) of the vendor's are of other products: left out.")
    if found.settled_since:
        console.print(
            f"{found.settled_since} CNY of ours was settled since the vendor's bill: not compared."
        )
    if found.without_vendor_bill:
        console.print(
            f"Of {found.without_vendor_bill} of our bills the vendor's is not known: not compared."
        )


def show_arrears(settings: Settings) -> None:
    """Who owes money as the current release has it."""
    console = open_console()
    con = _open_release(settings)
    try:
        if not _show_arrears(console, con, settings):
            console.print("No account is in arrears.")
    finally:
        con.close()


def _show_arrears(console: Console, con: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    # Times as the account's holder reads them.
    zone = Published(settings.published).require_current().manifest.vars["billing_timezone"]
    con.execute(f"set TimeZone = {literal(zone)}")
    rows = con.execute(
        """
        select owner_uin, state, amount_due, strftime(since, '%Y-%m-%d %H:%M'),
            strftime(stops_at, '%Y-%m-%d %H:%M')
        from billing.arrears_notices order by stops_at, owner_uin
        """
    ).fetchall()
    if rows:
        columns = ["account", "state", "#欠费 due (CNY)", "since", "service stops"]
        console.print(table_of(f"Accounts in arrears (times of {zone})", columns, rows))
    return bool(rows)


def show_failed_controls(error: CallbillError) -> None:
    """What the controls that stopped a run found."""
    results: list[ControlResult] = getattr(error, "results", [])
    differences: list[TableDifference] = getattr(error, "differences", [])
    console = open_console(stderr=True)
    for result in results:
        if not result.passed:
            _show_control(console, result)
    for found in differences:
        console.print(table_of(f"{found.table}: rows that differ", found.columns, found.rows))


def show_rebuild(summary: RunSummary, replaced: Sequence[Path]) -> None:
    """The end of a rebuild: what was made, and where what it replaced is."""
    console = open_console()
    _show_work(console, summary)
    console.print(
        f"Rebuilt {summary.settle_from} to {summary.through}:"
        " every settlement date says what it was sealed with."
    )
    for path in replaced:
        console.print(f"What was replaced lies in {path}", soft_wrap=True)


def show_verification(verification: Verification, month: date | None) -> None:
    """What was verified and is equal."""
    from callbill.verify.compare import decimal_text

    of = f"of {month:%Y-%m} " if month else ""
    open_console().print(
        f"Equal: {verification.lines} bill lines {of}in {verification.settlements} settlements of"
        f" {verification.accounts} accounts, rated {decimal_text(verification.rated, 8)},"
        f" deducted {decimal_text(verification.deducted, 2)} CNY."
    )
    open_console().print(
        f"Computed anew from {verification.records} records in {verification.files} files,"
        f" settled through {verification.through}, and compared to the last digit with release"
        f" {verification.run_id}.",
        soft_wrap=True,
    )


def show_differences(error: VerificationError, *, limit: int = 20) -> None:
    """Where a release says otherwise than its landing files."""
    console = open_console(stderr=True)
    for difference in error.differences:
        title = f"{difference.table}: differences"
        console.print(table_of(title, difference.columns, difference.rows[:limit]))
        if len(difference.rows) > limit:
            console.print(f"  and {len(difference.rows) - limit} more")


def _show_control(console: Console, result: ControlResult) -> None:
    columns = list(result.sample[0]) if result.sample else []
    console.print(
        f"{result.severity}: {result.control_id}: {result.sentence} Expected {result.expected};"
        f" found {result.unexpected_rows} row(s) otherwise:"
    )
    console.print(table_of("", columns, [list(row.values()) for row in result.sample[:10]]))


def show_runs(settings: Settings, *, limit: int) -> None:
    """The last runs, as the warehouse has them."""
    con = _open_warehouse(settings)
    try:
        rows = con.execute(
            """
            select run_id, started_by, through_date, settle_from, outcome, files_loaded,
                records_accepted, records_rejected,
                round(epoch(finished_at - started_at), 1), message
            from ops.runs order by run_id desc limit ?
            """,
            [limit],
        ).fetchall()
    finally:
        con.close()
    columns = ["#run", "by", "through", "settled from", "outcome", "#files", "#accepted",
               "#rejected", "#seconds", "message"]  # fmt: skip
    open_console().print(table_of("Runs", columns, rows))


def show_rejects(
    settings: Settings, *, path: str | None, reason: str | None, lines: bool, limit: int
) -> None:
    """What was rejected, by file and line."""
    con = _open_warehouse(settings)
    try:
        rows = con.execute(
            """
            select r.path, r.line_number, r.reason, r.detail, r.fields, r.line_length,
                r.source_file_id, count(*) over () as total
            from ops.rejected_records as r
            where (? is null or contains(r.path, ?)) and (? is null or r.reason = ?)
            order by r.path, r.line_number nulls first limit ?
            """,
            [path, path, reason, reason, limit],
        ).fetchall()
    finally:
        con.close()
    console = open_console()
    if not rows:
        console.print(
            "Nothing was rejected."
            if not (path or reason)
            else "Nothing that was rejected matches."
        )
        return
    if lines:
        for file, line_number, code, detail, _fields, _length, source_file_id, _total in rows:
            console.print(Text(f"{printable(file)}:{line_number or ''} {code} {detail or ''}"))
            if line_number:
                line = _line_of(settings, file, source_file_id, line_number)
                console.print(Text("  " + printable(line)))
    else:
        console.print(
            table_of(
                "Rejected",
                ["file", "#line", "reason", "what is kept"],
                [
                    (
                        file,
                        number,
                        code,
                        detail or _kept(fields) or ("" if length is None else f"{length} bytes"),
                    )
                    for file, number, code, detail, fields, length, _id, _total in rows
                ],
            )
        )
    total = rows[0][-1]
    if total > len(rows):
        console.print(f"{total - len(rows)} more; see --limit, --file and --reason.")


def _kept(fields: str | None) -> str:
    if fields is None:
        return ""
    said = json.loads(fields)
    return " ".join(f"{name}={value}" for name, value in said.items() if value is not None)


def _line_of(settings: Settings, name: str, source_file_id: str, line_number: int) -> str:
    """A line read again from its file in the landing folder, if it still is that file."""
    path = settings.landing / name
    try:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != source_file_id:
                return "(the file was changed since)"
    except OSError as error:
        return f"(the file cannot be read: {error.strerror})"
    compression = path.suffix if path.suffix in (".gz", ".zst") else ""
    if Path(name.removesuffix(compression)).suffix == ".parquet":
        con = duckdb.connect()
        found = con.execute(
            "select cast(to_json(p) as varchar) from"
            " (from read_parquet(?, hive_partitioning = false)) as p limit 1 offset ?",
            [str(path), line_number - 1],
        ).fetchall()
        return found[0][0] if found else "(the file has no such row any more)"
    with path.open("rb") as source:
        return json_lines.line_at(open_unpacked(source, compression), line_number)


def _open_warehouse(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The warehouse for reading; while a run has it, the current release instead."""
    try:
        con = Warehouse.open_read_only(settings.warehouse).con
    except LockedError:
        return _open_release(settings)
    con.execute("set TimeZone = 'UTC'")
    return con
