"""Holds a file of the vendor's bill against what is settled, now: no night, no warehouse.

The file is read as a run would read it. The models that compare bills are those of the project;
here they are made as temporary tables over the current release.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import PROJECT, Settings, load_vars
from callbill.ingest.landing import DEFAULT_SHAPE, LandingFile, Skipped, files_of
from callbill.queries.project_sql import expand_macros
from callbill.queries.reconcile import TOTAL_LINE, Asked, Reconciliation, compared
from callbill.queries.try_file import read_one, stored_file
from callbill.release.store import release_to_read
from callbill.storage.folder import UnusableFileError
from callbill.tasks.connection import connect

# In the order in which they read one another.
_MODELS = (
    "staging/stg_vendor_bills",
    "intermediate/vendor_bills/int_vendor_bill_lines_recognised",
    "intermediate/vendor_bills/int_vendor_bill_lines_current",
    "intermediate/vendor_bills/int_vendor_bill_lines_priced",
    "marts/vendor_bill_lines",
    "intermediate/reconciliation/int_comparable_lines",
    "intermediate/reconciliation/int_usage_compared",
    "intermediate/reconciliation/int_usage_in_other_periods",
    "intermediate/reconciliation/int_vendor_packages",
    "intermediate/reconciliation/int_usage_differences",
    "intermediate/reconciliation/int_adjustment_differences",
    "marts/reconciliation",
)
_MACROS = ("money", "bill_month", "adjustment_names", "bill_adjustment_names")
_SEEDS = ("components", "products")
# A line says nothing of days that are not settled here.
_NOT_SETTLED = """
    select count(*), coalesce(sum(real_cost), 0), min(usage_date)
    from temp.all_vendor_bills
    where usage_date + 1 > $through and ($owner is null or owner_uin = $owner)
        and ($month is null or coalesce(bill_month, date_trunc('month', usage_date)) = $month)
"""


@dataclass(frozen=True)
class BillInHand:
    """A file of the vendor's bill beside ours, and what of it cannot be compared yet."""

    name: str
    reconciliation: Reconciliation
    lines: int
    # Files of an archive that are not read, and why.
    not_read: list[tuple[str, str]]
    # The first rejected lines: file, line, reason, what is kept.
    rejects: list[tuple[str, int | None, str, str | None]]
    # Lines of days that are not settled here: how many, what they cost, from which day on.
    not_settled: tuple[int, Decimal, date | None]
    evidence: list[Evidence]


@dataclass(frozen=True)
class Evidence:
    """What stands behind a difference: our lines, the contract, and calls."""

    difference: tuple[Any, ...]
    lines: list[tuple[Any, ...]]
    contracts: list[tuple[Any, ...]]
    calls: int
    request_ids: list[str]
    vendor_lines: list[tuple[Any, ...]]


def hold_against(
    settings: Settings, path: Path, asked: Asked, *, request_ids: int = 20
) -> BillInHand:
    """Compare a vendor's bill with the current release. `request_ids` is how many calls are named
    for each difference.

    Raises UsageError if the file cannot be read, or if there is no release.
    """
    release = release_to_read(settings)
    through = release.manifest.through
    with TemporaryDirectory(prefix="callbill-bill-") as folder:
        scratch = Path(folder)
        parts, rejects, not_read, lines = _read(settings, path, scratch)
        with closing(release.open()) as con:
            asked.check_products(con)
            _create_source(con, parts, through)
            not_settled = con.execute(
                _NOT_SETTLED, asked.parameters(_NOT_SETTLED) | {"through": through}
            ).fetchall()[0]
            for model in _MODELS:
                _create(con, model, through)
            concerned = [
                reject
                for reject in rejects
                if asked.owner is None or asked.owner in (reject[3] or asked.owner)
            ]
            unread = [reject for reject in concerned if reject[2] != TOTAL_LINE]
            reconciliation = compared(con, asked, through, len(unread), schema="temp")
            if not reconciliation.bills and not unread and not not_settled[0]:
                raise UsageError(
                    f"{path} has no line of what was asked for: other accounts, months or products"
                )
            evidence = [
                _evidence(con, difference, request_ids) for difference in reconciliation.differences
            ]
    return BillInHand(path.name, reconciliation, lines, not_read, concerned, not_settled, evidence)


def _read(
    settings: Settings, path: Path, scratch: Path
) -> tuple[list[Path], list[tuple[str, int | None, str, str | None]], list[tuple[str, str]], int]:
    billing_vars = load_vars(settings)
    stored = stored_file(path, "vendor_bills", None)
    try:
        found = list(files_of(stored, frozenset({DEFAULT_SHAPE}), billing_vars.zone))
    except UnusableFileError as problem:
        raise UsageError(f"{path} {problem}") from problem
    parts: list[Path] = []
    rejects: list[tuple[str, int | None, str, str | None]] = []
    not_read = [(one.name, one.why) for one in found if isinstance(one, Skipped)]
    lines = 0
    with closing(connect(None, str(scratch / "spill"))) as con:
        for number, file in enumerate(found):
            if not isinstance(file, LandingFile):
                continue
            name = file.name.partition("/")[2]
            read = read_one(
                con, file, DEFAULT_SHAPE, scratch / str(number), billing_vars.billing_timezone
            )
            lines += read.counts.accepted + read.counts.rejected
            if read.counts.unreadable is not None:
                not_read.append((name, read.counts.unreadable))
                continue
            for part in read.parts:
                # Each file has an id of its own: the same line in two of them is one line.
                parts.append(part.rename(part.with_name(f"{number}-{part.name}")))
            if read.rejects is not None:
                rejects += [
                    (name, *row)
                    for row in con.execute(
                        "select line_number, reason, fields from read_parquet(?) order by all",
                        [str(read.rejects)],
                    ).fetchall()
                ]
    if not parts:
        why = [f"{name} {reason}" for name, reason in not_read]
        why += [f"line {line} is rejected ({reason})" for _file, line, reason, _kept in rejects[:1]]
        raise UsageError(
            f"{path} has no line of a bill that can be read: {'; '.join(why) or 'it is empty'}"
        )
    return parts, rejects, not_read, lines


def _create_source(con: duckdb.DuckDBPyConnection, parts: list[Path], through: date) -> None:
    """Create the table of the file's lines that can be compared: those of settled days. The bill
    counts as known on the last day that it deducts, as far as we have settled."""
    con.execute(
        "create temp table all_vendor_bills as select * exclude (filename) replace ("
        " parse_filename(filename, true) as source_file_id)"
        " from read_parquet(?, filename = true, hive_partitioning = false)",
        [[str(part) for part in parts]],
    )
    con.execute(
        f"""
        create temp table vendor_bills as
        select a.* replace (
            least(
                date '{through}',
                coalesce(max(coalesce(paid_on, last_usage_date + 1)) over (), date '{through}')
            ) as arrived_on,
            date '{through}' as settlement_floor
        )
        from temp.all_vendor_bills as a
        where usage_date + 1 <= date '{through}'
        """
    )


def _create(con: duckdb.DuckDBPyConnection, model: str, through: date) -> None:
    template = (PROJECT / "models" / f"{model}.sql").read_text(encoding="utf-8")
    made = {name.rpartition("/")[2] for name in _MODELS}

    def ref(name: str) -> str:
        if name in made:
            return f"temp.{name}"
        return f"seeds.{name}" if name in _SEEDS else f"billing.{name}"

    names: dict[str, Callable[..., str]] = {
        "ref": ref,
        "source": lambda _schema, name: f"temp.{name}",
        "settle_through": lambda: f"date '{through}'",
        "config": lambda **_options: "",
    }
    name = model.rpartition("/")[2]
    con.execute(f"create temp table {name} as {expand_macros(template, *_MACROS, **names)}")


def _evidence(
    con: duckdb.DuckDBPyConnection, difference: tuple[Any, ...], request_ids: int
) -> Evidence:
    bill_month, owner_uin, usage_date, component_code = difference[:4]
    key = {
        "month": bill_month, "owner": owner_uin, "day": usage_date, "component": component_code,
    }  # fmt: skip

    def rows(query: str, **more: object) -> list[tuple[Any, ...]]:
        return con.execute(query, key | more).fetchall()

    no_month = {name: value for name, value in key.items() if name != "month"}
    calls, first = con.execute(
        "select count(*), list(request_id order by called_at, request_id)[:$most]"
        " from billing.calls where owner_uin = $owner and usage_date = $day"
        " and component_code = $component and calls_billed = 1",
        no_month | {"most": request_ids},
    ).fetchall()[0]
    contracts = con.execute(
        "select distinct list_price, discount, contract_price from billing.bill_lines"
        " where owner_uin = $owner and usage_date = $day and component_code = $component"
        " order by all",
        no_month,
    ).fetchall()
    return Evidence(
        difference,
        rows(
            "select line_id, settled_on, line_type, calls, contract_price, real_cost"
            " from billing.bill_lines where owner_uin = $owner and usage_date = $day"
            " and component_code = $component and bill_month = $month order by settled_on, line_id"
        ),
        contracts,
        calls,
        first or [],
        rows(
            "select line_number, calls, vendor_price, vendor_cost from temp.vendor_bill_lines"
            " where owner_uin = $owner and usage_date = $day and component_code = $component"
            " and bill_month = $month and status = 'usage' order by source_file_id, line_number"
        ),
    )
