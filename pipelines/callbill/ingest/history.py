"""History: files without a date that are loaded before anything is sealed.

Their records settle on the day after their usage, so history is billed in the months that it
belongs to. Their contracts, packages, waivers and account events count from the first settlement
date. After the first seal such files are late like any other, and a run warns of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from callbill.ingest.incoming import Incoming
from callbill.warehouse.warehouse import Warehouse

_LATE = """
    select
        files.path,
        count(*) as records,
        min(records.usage_date) as first_usage,
        max(records.usage_date) as last_usage,
        files.settlement_floor
    from raw.call_logs_loaded as records
    inner join ops.loaded_files as files
        on records.source_file_id = files.source_file_id and files.feed = 'call_logs'
    where
        list_contains($ids, records.source_file_id)
        and records.settlement_floor >= $first_open
        and records.usage_date + 1 < $first_open
    group by files.path, files.settlement_floor
    order by files.path
"""
_LATE_TERMS = """
    select
        files.path,
        count(*) as terms,
        min(terms.effective_from) as first,
        files.settlement_floor
    from raw.contracts_loaded as terms
    inner join ops.loaded_files as files
        on terms.source_file_id = files.source_file_id and files.feed = 'contracts'
    where
        list_contains($ids, terms.source_file_id)
        and terms.effective_from + 1 < $first_open
        -- Terms that are told again are no news.
        and not exists (
            select 1
            from raw.contracts_loaded as earlier
            where
                earlier.settlement_floor < $first_open
                and earlier.owner_uin = terms.owner_uin
                and earlier.component_code = terms.component_code
                and earlier.effective_from = terms.effective_from
                and earlier.effective_to is not distinct from terms.effective_to
                and earlier.discount is not distinct from terms.discount
                and earlier.contract_price is not distinct from terms.contract_price
        )
    group by files.path, files.settlement_floor
    order by files.path
"""


def date_history(warehouse: Warehouse) -> None:
    """Let contracts, packages, waivers and events of history count from the first settlement date,
    as it is known by now."""
    files = warehouse.rows(
        "select feed, source_file_id from ops.loaded_files"
        " where arrival = 'history' and feed <> 'call_logs'"
    )
    first = first_settlement_date(warehouse)
    with warehouse.transaction():
        for feed, source_file_id in files:
            for table in ("ops.loaded_files", _TABLES[feed]):
                warehouse.execute(
                    f"update {table} set settlement_floor = ? where source_file_id = ?"
                    " and settlement_floor <> ?",
                    [first, source_file_id, first],
                )


_TABLES = {
    "contracts": "raw.contracts_loaded",
    "packages": "raw.packages_loaded",
    "waivers": "raw.waivers_loaded",
    "account_attributes": "raw.account_attributes_loaded",
    "account_events": "raw.account_events",
}


def first_settlement_date(warehouse: Warehouse) -> date | None:
    """The first date that the loaded files let be settled, None if nothing was loaded.

    Without calls and dated files it is the first arrival.
    """
    first: date | None = warehouse.value(
        """
        select least(
            (
                select min(settlement_floor) from ops.loaded_files
                where feed <> 'vendor_bills' and (arrival is null or feed = 'call_logs')
            ),
            (select min(settled_on) from raw.call_logs)
        )
        """
    )
    return first or warehouse.value(
        "select min(arrived_on) from ops.loaded_files where feed <> 'vendor_bills'"
    )


def late_history(warehouse: Warehouse, incoming: Iterable[Incoming], first_open: date) -> list[str]:
    """A warning for each new file without a date that has records of dates that are sealed, or
    terms that reach back to them."""
    ids = [file.source_file_id for file in incoming if not file.file.is_dated]
    if not ids:
        return []
    parameters = {"ids": ids, "first_open": first_open}
    warnings = [
        f"{path} has no date and came after the first seal: {records} of its records, of usage from"
        f" {first_usage} to {last_usage}, are late and settle from {floor} on"
        for path, records, first_usage, last_usage, floor in warehouse.rows(_LATE, parameters)
    ]
    warnings += [
        f"{path} has no date and came after the first seal: {terms} of its terms reach back to"
        f" {first}; usage that was settled before is re-rated on {floor}"
        for path, terms, first, floor in warehouse.rows(_LATE_TERMS, parameters)
    ]
    return warnings
