"""Why a line is what it is, down to the records behind it; and where a call went, up to its lines.

What is said is taken from the current release and, for records and contracts as they were loaded,
from the warehouse. Money is text, to the last digit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from callbill.base.catalogue import as_counted
from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.release.manifest import Manifest
from callbill.release.release import Published
from callbill.warehouse.warehouse import Warehouse

Facts = dict[str, Any]

# Of each call on a date, why it is not in the bill by then.
WHY_NOT = {
    "failed": "a record of it says that it failed; a failed call is never billed",
    "conflict": "its records name several accounts or components; such a call is billed to none",
    "duplicate": "it was charged on an earlier date; a re-delivery costs nothing",
    "unrated": "no component claims its action, or its usage lies before the first list price",
    "too_old": "its usage was too old on the date on which it would have been settled",
    "reversed": "it was charged before and is void since",
}

_RECORDS = """
    select r.request_id, r.settled_on, r.called_at, r.owner_uin, r.operate_uin, r.action, r.region,
        r.http_status, r.error_code, f.path, r.source_file_id
    from raw.call_logs_loaded as r
    inner join ops.source_files as f
        on r.source_file_id = f.source_file_id and f.feed = 'call_logs'
    where
        list_contains($requests, r.request_id) and r.settled_on between $earliest and $latest
        and f.quarantine_reason is null
    order by r.request_id, r.settled_on, r.called_at, f.path, r.error_code
"""

# The contract in force for a usage date as known on a date: the latest known version of each, of
# several that came at once the lowest price, then the earliest end; of those that cover the date
# the one that began last.
_CONTRACT = """
    with versions as (
        select *,
            coalesce(
                contract_price,
                cast(round(cast($list_price as decimal(19, 8)) * discount, 8) as decimal(18, 8))
            ) as price
        from raw.contracts
        where owner_uin = $owner_uin and component_code = $component_code
            and settlement_floor <= $known_on and effective_from <= $usage_date
        qualify
            rank() over (partition by effective_from order by settlement_floor desc) = 1
            and rank() over (
                partition by source_file_id, settlement_floor, effective_from
                order by line_number desc
            ) = 1
    ),

    chosen as (
        from versions
        qualify row_number() over (
            partition by effective_from
            order by price, effective_to nulls last, discount nulls last, source_file_id
        ) = 1
    )

    select c.effective_from, c.effective_to, c.discount, c.contract_price, c.settlement_floor,
        f.path, c.line_number, c.source_file_id
    from chosen as c
    inner join ops.source_files as f
        on c.source_file_id = f.source_file_id and f.feed = 'contracts'
    where c.effective_to is null or c.effective_to > $usage_date
    order by c.effective_from desc
    limit 1
"""


def explain_line(settings: Settings, line_id: str, *, limit: int | None) -> Facts:
    """A bill line with its price, contract, calls (at most `limit`), their records and files.

    Raises UsageError if the current release has no such line, LockedError while a run is on.
    """
    with _books(settings) as (con, manifest):
        lines = _rows(con, "from release.billing.bill_lines where line_id = ?", [line_id])
        if not lines:
            raise UsageError(
                f"the current release has no bill line {line_id}; their ids are in "
                "billing.bill_lines.line_id, and `callbill bill --ids` shows them"
            )
        [line] = lines
        [component] = [r for r in manifest.seeds["components"] if r[0] == line["component_code"]]
        # What re-rating takes back it takes back at the price known until then.
        is_taken_back = line["line_type"] == "rerating" and line["calls"] < 0
        known_on = line["settled_on"] - timedelta(days=is_taken_back)
        calls, total = _calls_of_line(con, line, limit)
        _add_records(con, manifest, calls, line["settled_on"])
        return {
            "line": line,
            "price": _price(con, manifest, line, known_on)
            | {"calls_per_price_unit": int(component[2])},
            "calls": calls,
            "calls_in_all": total,
        }


def explain_request(settings: Settings, request_id: str) -> Facts:
    """What became of a request id: its calls by settlement date with the lines they are in, its
    records, those that wait for a later date, were withdrawn with their file, or rejected.

    Raises LockedError while a run is on.
    """
    with _books(settings) as (con, manifest):
        calls = _rows(
            con,
            "from published_calls where request_id = ? order by settled_on",
            [request_id],
        )
        for call in calls:
            call["why_not_billed"] = WHY_NOT.get(call["disposition"])
        _add_records(con, manifest, calls, date.max)
        for call in calls:
            if call["disposition"] in ("billed", "reversed"):
                call["lines"] = _lines_of_call(con, call)
            if call["disposition"] == "billed":
                reversal = next(
                    (
                        other["settled_on"]
                        for other in calls
                        if other["disposition"] == "reversed"
                        and other["settled_on"] > call["settled_on"]
                    ),
                    date.max,
                )
                call["lines"] += _reratings(con, call, reversal)
        waiting = _rows(
            con,
            _RECORDS,
            {
                "requests": [request_id],
                "earliest": manifest.through + timedelta(days=1),
                "latest": date.max,
            },
        )
        withdrawn = _rows(
            con,
            """
            select distinct f.path, f.quarantine_reason, r.source_file_id
            from raw.call_logs_loaded as r
            inner join ops.source_files as f
                on r.source_file_id = f.source_file_id and f.feed = 'call_logs'
            where r.request_id = ? and f.quarantine_reason is not null
            order by all
            """,
            [request_id],
        )
        rejected = _rows(
            con,
            """
            select path, line_number, reason, fields from ops.rejected_records
            where feed = 'call_logs' and json_extract_string(fields, '$.request_id') = ?
            order by path, line_number
            """,
            [request_id],
        )
        return {
            "request_id": request_id,
            "calls": calls,
            "waiting": waiting,
            "withdrawn": withdrawn,
            "rejected": rejected,
            "through": manifest.through,
        }


@contextmanager
def _books(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, Manifest]]:
    """The warehouse with the current release beside it, as `release`."""
    release = Published(settings.published).require_current()
    if not settings.warehouse.exists():
        raise UsageError(
            f"there is no warehouse {settings.warehouse}, which holds the records; name it with "
            "--warehouse, or make it anew with `callbill rebuild`"
        )
    manifest = release.manifest
    con = Warehouse.open_read_only(settings.warehouse).con
    try:
        con.execute(f"set TimeZone = {literal(manifest.vars['billing_timezone'])}")
        release.attach(con, "release")
        con.execute(f"create temp view published_calls as from {release.calls}")
        yield con, manifest
    finally:
        con.close()


def _rows(
    con: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] | dict[str, object]
) -> list[Facts]:
    cursor = con.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _price(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, line: Facts, known_on: date
) -> Facts:
    """The list price and the contract in force for a line's usage date as known on a date."""
    _, effective_from, known_from, list_price = max(
        (
            row
            for row in as_counted(manifest.seeds, manifest.counts_from)["list_prices"]
            if row[0] == line["component_code"]
            and date.fromisoformat(row[1]) <= line["usage_date"]
            and date.fromisoformat(row[2]) <= known_on
        ),
        key=lambda row: (row[1], row[2]),
    )
    contracts = _rows(
        con,
        _CONTRACT,
        {
            "owner_uin": line["owner_uin"],
            "component_code": line["component_code"],
            "usage_date": line["usage_date"],
            "known_on": known_on,
            "list_price": Decimal(list_price),
        },
    )
    return {
        "known_on": known_on,
        "list_price": {
            "list_price": Decimal(list_price),
            "effective_from": date.fromisoformat(effective_from),
            "known_from": date.fromisoformat(known_from),
        },
        "contract": contracts[0] if contracts else None,
    }


def _calls_of_line(
    con: duckdb.DuckDBPyConnection, line: Facts, limit: int | None
) -> tuple[list[Facts], int]:
    """The calls that a line charges, takes back or re-rates, and how many there are."""
    if line["line_type"] == "rerating":
        # All that stood charged before that date.
        behind = """
            select min_by(c, settled_on) as call
            from published_calls as c
            where settled_on < $settled_on and calls_billed <> 0 and {same}
            group by request_id
            having sum(calls_billed) > 0
        """
    else:
        behind = f"""
            select c as call from published_calls as c
            where settled_on = $settled_on and {{same}}
                and calls_billed {"<" if line["calls"] < 0 else ">"} 0
        """
    same = (
        "owner_uin = $owner_uin and component_code = $component_code and usage_date = $usage_date"
    )
    rows = con.execute(
        f"""
        select call, count(*) over () from ({behind.format(same=same)})
        order by call.called_at, call.request_id
        limit {limit if limit is not None else 1 << 62}
        """,
        {name: line[name] for name in ("settled_on", "owner_uin", "component_code", "usage_date")},
    ).fetchall()
    return [row[0] for row in rows], rows[0][1] if rows else 0


def _add_records(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, calls: Sequence[Facts], known_on: date
) -> None:
    """Give each call the records that are known of it by a date."""
    if not calls:
        return
    horizon = max(manifest.vars["dedup_horizon_days"], manifest.vars["max_usage_age_days"])
    # A chain of re-deliveries may reach far back; what a call was made of lies within the horizon.
    earliest = min(call["settled_on"] for call in calls) - timedelta(days=horizon)
    found: defaultdict[str, list[Facts]] = defaultdict(list)
    for record in _rows(
        con,
        _RECORDS,
        {
            "requests": [call["request_id"] for call in calls],
            "earliest": earliest,
            "latest": min(known_on, manifest.through),
        },
    ):
        found[record["request_id"]].append(record)
    for call in calls:
        call["records"] = [r for r in found[call["request_id"]] if r["settled_on"] <= known_on]


def _lines_of_call(con: duckdb.DuckDBPyConnection, call: Facts) -> list[Facts]:
    kinds = ["correction"] if call["calls_billed"] < 0 else ["usage", "late_usage"]
    return _rows(
        con,
        """
        from release.billing.bill_lines
        where settled_on = ? and owner_uin = ? and component_code = ? and usage_date = ?
            and list_contains(?, line_type)
        """,
        [
            *(call[n] for n in ("settled_on", "owner_uin", "component_code", "usage_date")),
            kinds,
        ],
    )


def _reratings(con: duckdb.DuckDBPyConnection, call: Facts, until: date) -> list[Facts]:
    """The lines that gave a charged call another price, up to the date it was taken back."""
    return _rows(
        con,
        """
        from release.billing.bill_lines
        where settled_on > ? and settled_on <= ? and owner_uin = ? and component_code = ?
            and usage_date = ? and line_type = 'rerating'
        order by settled_on, calls
        """,
        [
            call["settled_on"],
            until,
            *(call[n] for n in ("owner_uin", "component_code", "usage_date")),
        ],
    )


def as_text(value: object) -> str:
    """How facts are written in JSON: money in plain digits, instants with their offset."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
