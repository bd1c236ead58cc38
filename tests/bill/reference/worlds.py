"""Generated worlds, made for trouble: few ids, owners and moments, crowded around boundaries.

A plan is abstract and small, so that it shrinks well; `build` turns it into files whose ids and
owners carry the world's number, so that any number of worlds can share one landing folder and its
runs.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
from hypothesis import strategies as st

from .inputs import (
    SHIPPED_SEEDS,
    Claim,
    Component,
    File,
    LaterRow,
    ListPrice,
    Seeds,
    Settings,
    World,
)
from .landing import cut_short, make_file


def list_price(component_code: str, effective_from: str, known_from: str, price: str) -> ListPrice:
    return ListPrice(
        component_code,
        date.fromisoformat(effective_from),
        date.fromisoformat(known_from),
        Decimal(price),
    )


BEIJING = ZoneInfo("Asia/Shanghai")
LAST_DAY = date(2024, 9, 20)  # by which every record of a generated world is settled
UNCLAIMED_ACTIONS = ("DescribeQuota", "searchbytext")

BASE_DAYS = (
    date(2024, 2, 28),
    date(2024, 1, 31),
    date(2023, 12, 31),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 1, 1),
    date(2023, 12, 30),
    date(2024, 1, 15),
)
# Of usage after the base day, and of arrival after a usage: the next day, month ends, and both
# sides of 62 days, once and twice over.
USAGE_LAGS = (0, 0, 0, 1, 1, 2, 3, 29, 30, 31, 62, 63)
NEAR_LAGS = (1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 3, 3, 4, 5, -1, -2)
ARRIVAL_LAGS = (*NEAR_LAGS, 30, 31, 32, 61, 62, 63, 64, 65, 124, 125, 126)
# Beijing time. Midnight in Beijing is 16:00 the day before in UTC, midnight UTC 08:00 in Beijing.
CLOCKS = (
    time(12, 0),
    time(0, 0),
    time(23, 59, 59),
    time(23, 59, 59, 999000),
    time(0, 0, 0, 1),
    time(8, 0),
    time(7, 59, 59),
)
WRITTEN_FORMS = ("beijing", "utc", "beijing", "utc", "epoch", "epoch_ms", "new_york")
OUTCOMES: dict[str, dict[str, Any]] = {
    "success": {"http_status": 200},
    "success_without_error": {"http_status": 200, "error_code": ""},
    "other_success": {"http_status": 204, "error_code": None},
    "throttled": {"http_status": 200, "error_code": "RequestLimitExceeded.UinLimitExceeded"},
    "internal_error": {"error_code": "InternalError"},
    "bad_status": {"http_status": 500},
    "redirected": {"http_status": 302},
}
# Ways for a line to be of no use, by the field they concern.
FLAWS: dict[str, dict[str, Any]] = {
    "no_id": {"request_id": None},
    "no_owner": {"owner_uin": None},
    "no_action": {"action": None},
    "no_time": {"called_at": None},
    "no_offset": {"called_at": "2024-02-29T12:00:00"},
    "no_such_time": {"called_at": "2024-02-30T12:00:00+08:00"},
    "no_time_at_all": {"called_at": "yesterday"},
    "no_outcome": {"http_status": None, "error_code": None},
    "unreadable_status": {"http_status": "abc"},
}
FLAWED_TIMES = {flaw["called_at"] for flaw in FLAWS.values() if "called_at" in flaw}
RAW_LINES = (
    '{"request_id": "cut',
    "not json",
    "[1, 2]",
    '"text"',
    "",
    "   ",
    "{}",
)
DISCOUNTS = ("0.680405", "0.9", "0.85", "1", "0.333333", "0.5", "0.000001")
AGREED_PRICES = ("54.4", "0", "60", "5", "15", "0.000005", "30.00000000", "0.00000001", "51")
BAD_TERMS: tuple[dict[str, Any], ...] = (
    {"discount": "0"},
    {"discount": "1.1"},
    {"discount": "0.1234567"},
    {"contract_price": "-1"},
    {"contract_price": "0.123456789"},
    {"discount": "0.9", "contract_price": "54"},
    {},
)
# Beside the shipped ones, for a product whose seeds can be set: two components of one product and
# one of another, prices that change, and prices that are known only after they were due.
ROUGH_SEEDS = Seeds(
    components=(
        *SHIPPED_SEEDS.components,
        Component("wimgs_image_to_image_search", "wimgs", 100, ("SearchByImage",)),
        Component("ocr_page", "ocr", 1, ("ReadPage", "ReadPages")),
    ),
    list_prices=(
        *SHIPPED_SEEDS.list_prices,
        list_price("wimgs_search_by_text", "2024-03-01", "2024-02-20", "59.99999999"),
        list_price("wimgs_search_by_text", "2024-03-01", "2024-03-20", "61.5"),
        list_price("wimgs_image_to_image_search", "2024-02-01", "2024-02-02", "7.77777777"),
        list_price("ocr_page", "2024-01-01", "2024-03-02", "0.005"),
    ),
)
# What becomes known of them only while worlds are settled: claims of actions that nobody claimed, a
# claim that moves, one for later usage only, prices for usage that had none.
LATER_CLAIMS = (
    Claim("DescribeQuota", "wimgs_search_by_text"),
    Claim("DescribeQuota", "ocr_page", known_from=date(2024, 3, 20)),
    Claim("DescribeQuota", "ocr_page", effective_from=date(2024, 3, 1)),
    Claim("searchbytext", "wimgs_search_by_text", known_from=date(2024, 3, 10)),
    Claim("searchbytext", "wimgs_image_to_image_search"),
    Claim("SearchByImage", "wimgs_search_by_text", effective_from=date(2024, 2, 29)),
    Claim("ReadPages", "wimgs_image_to_image_search", known_from=date(2024, 4, 2)),
)
LATER_PRICES = (
    list_price("wimgs_image_to_image_search", "2023-12-01", "2024-02-02", "7.5"),
    list_price("wimgs_image_to_image_search", "2024-01-15", "2024-03-05", "8"),
    list_price("ocr_page", "2023-12-01", "2024-04-20", "0.004"),
    list_price("ocr_page", "2024-02-01", "2024-01-01", "0.006"),
)


def ladder(
    component_code: str, effective_from: str, known_from: str, period: str, **prices: str
) -> tuple[ListPrice, ...]:
    """The steps of a ladder: `from_3="60"` is the price of calls after three."""
    flat = list_price(component_code, effective_from, known_from, "0")
    return tuple(
        dataclasses.replace(
            flat,
            list_price=Decimal(price),
            tier_from=int(name.removeprefix("from_")),
            tier_period=period,
        )
        for name, price in prices.items()
    )


# Prices that depend on how much. The numbers are small, as worlds are.
LADDER_SEEDS = Seeds(
    components=ROUGH_SEEDS.components,
    list_prices=(
        *SHIPPED_SEEDS.list_prices,
        *ladder("wimgs_search_by_text", "2024-02-01", "2024-02-20", "month",
                from_0="0", from_3="60", from_12="50"),
        *ladder("wimgs_search_by_text", "2024-03-01", "2024-03-20", "month",
                from_0="58.5", from_5="40"),
        *ladder("wimgs_image_to_image_search", "2024-01-01", "2024-02-02", "day",
                from_0="7.77777777", from_2="5"),
        *ladder("ocr_page", "2023-12-01", "2024-01-01", "ever",
                from_0="0", from_4="0.005", from_9="0.003"),
    ),
)  # fmt: skip
# What becomes known of them while worlds are settled: other steps for what is settled, another
# period, one price for all again.
LATER_LADDERS = (
    ladder("wimgs_search_by_text", "2024-02-15", "2024-01-01", "month", from_0="61", from_6="30"),
    ladder("wimgs_search_by_text", "2024-02-01", "2024-03-25", "month", from_0="0", from_4="60"),
    ladder("wimgs_search_by_text", "2024-02-28", "2024-03-02", "day", from_0="59", from_2="1"),
    (list_price("wimgs_search_by_text", "2024-03-02", "2024-03-28", "33"),),
    ladder("wimgs_image_to_image_search", "2024-01-01", "2024-03-03", "month",
           from_0="7.77777777", from_2="5", from_30="4"),
    ladder("ocr_page", "2024-02-01", "2024-03-10", "ever", from_0="0.004"),
)  # fmt: skip
PACKAGE_CONTAINERS = ("csv", "jsonl", "parquet")


def claim_by(action: str, component_code: str, known_from: date = date.min, **values: str) -> Claim:
    return Claim(
        action, component_code, known_from=known_from, attributes=frozenset(values.items())
    )


# Claims that ask for attributes. Calls without an edition of their own have that of their account.
# Of most actions another claim has the rest; some are known late or move.
ATTRIBUTE_CLAIMS = (
    claim_by("SearchByText", "wimgs_image_to_image_search", edition="flagship"),
    claim_by("SearchByText", "ocr_page", edition="standard", plan="gold"),
    claim_by("SearchByText", "wimgs_image_to_image_search", edition="trial"),
    claim_by("SearchByText", "ocr_page", date(2024, 3, 20), edition="trial"),
    claim_by("SearchByImage", "wimgs_search_by_text", edition="standard"),
    claim_by("SearchByImage", "ocr_page", date(2024, 3, 10), edition="standard", plan="gold"),
    claim_by("ReadPage", "wimgs_search_by_text", date(2024, 3, 2), edition="flagship"),
    claim_by("ReadPages", "ocr_page", edition="lite", plan="silver"),
)
EDITIONS = (None, "standard", "flagship", "lite", "trial")
CALL_LOG_CONTAINERS = ("jsonl", "csv", "jsonl.gz", "parquet", "ndjson", "jsonl.zst", "csv.gz")
CONTRACT_CONTAINERS = ("csv", "jsonl", "parquet", "csv.gz", "jsonl.zst")


@dataclass(frozen=True)
class PlannedRecord:
    call: int
    moment: int  # an index into the plan's moments: few, so that re-deliveries coincide
    owner: int
    operator: int  # 0: left out, 1: the owner named, others: sub-accounts
    action: int  # 0: the call's own; others reach the other components and the unclaimed
    region: str | None
    edition: int  # 0: the call's own; others reach the other editions
    outcome: str
    written: str
    owner_as_number: bool
    flaw: str | None
    has_twin: bool  # the same line once more, under another owner
    note: str | None
    raw_line: str | None  # instead of all this, where the file is of JSON lines


@dataclass(frozen=True)
class PlannedFile:
    moment: int
    lag_days: int
    container: str
    shape: str
    records: tuple[PlannedRecord, ...]
    bulk: int  # further calls, all successful, of ids of their own
    runs_late: int
    copy_lag_days: int | None  # the same content again, so many days later
    is_cut_short: bool
    dated_by_path: bool


@dataclass(frozen=True)
class PlannedContract:
    owner: int
    component: int
    begins: int  # days after the base day
    lasts: int | None
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PlannedContractFile:
    arrival: int  # an index into the plan's contract arrivals
    container: str
    rows: tuple[PlannedContract, ...]
    runs_late: int


@dataclass(frozen=True)
class PlannedAttribute:
    owner: int
    attribute: str
    value: str
    begins: int  # days after the base day


@dataclass(frozen=True)
class PlannedAttributeFile:
    arrival: int  # an index into the plan's contract arrivals
    container: str
    rows: tuple[PlannedAttribute, ...]
    runs_late: int


@dataclass(frozen=True)
class Plan:
    base_day: date
    moments: tuple[tuple[int, time], ...]
    files: tuple[PlannedFile, ...]
    contract_arrivals: tuple[int, ...]  # days after the base day: few, so that files tie
    contract_files: tuple[PlannedContractFile, ...]
    attribute_files: tuple[PlannedAttributeFile, ...] = ()


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The usual value nine times out of ten; it comes first, so that examples shrink to it."""
    return st.sampled_from((usual,) * (9 * len(others)) + others)


def planned_records() -> st.SearchStrategy[PlannedRecord]:
    return st.builds(
        PlannedRecord,
        call=st.sampled_from((0, 0, 0, 1, 1, 1, 2, 2, 3, 4)),
        moment=st.sampled_from((0, 0, 0, 1, 1, 2, 3)),
        owner=st.sampled_from((0,) * 20 + (1, 2)),
        operator=st.sampled_from((0, 0, 1, 2, 2, 3)),
        action=st.sampled_from((0,) * 22 + (1, 2)),
        region=st.sampled_from(("ap-guangzhou", "ap-guangzhou", "ap-beijing", None)),
        edition=mostly(0, 1, 2),
        outcome=st.sampled_from(("success",) * 30 + tuple(OUTCOMES)),
        written=st.sampled_from(WRITTEN_FORMS),
        owner_as_number=st.booleans(),
        flaw=mostly(None, *FLAWS),
        has_twin=st.sampled_from((False,) * 30 + (True,)),
        note=mostly(None, 'a "quoted", word', "two\nlines", "图像"),
        raw_line=mostly(None, *RAW_LINES),
    )


def planned_files() -> st.SearchStrategy[PlannedFile]:
    return st.builds(
        PlannedFile,
        moment=st.sampled_from((0, 0, 1, 2, 3)),
        lag_days=st.sampled_from(ARRIVAL_LAGS),
        container=st.sampled_from(CALL_LOG_CONTAINERS),
        shape=st.sampled_from(("canonical",) * 4 + ("envelope", "cloudaudit")),
        records=st.lists(planned_records(), min_size=1, max_size=6).map(tuple),
        bulk=st.sampled_from((0, 0, 0, 0, 7, 33)),
        runs_late=st.sampled_from((0, 0, 0, 0, 1, 2)),
        copy_lag_days=mostly(None, 0, 1, 35, -3),
        is_cut_short=mostly(False, True),
        dated_by_path=mostly(True, False),
    )


def planned_contracts() -> st.SearchStrategy[PlannedContract]:
    good = [
        *((("discount", value),) for value in DISCOUNTS),
        *((("contract_price", value),) for value in AGREED_PRICES),
    ]
    bad = [tuple(terms.items()) for terms in BAD_TERMS]
    return st.builds(
        PlannedContract,
        owner=st.sampled_from((0, 0, 0, 1)),
        component=st.sampled_from((0, 0, 0, 0, 1)),
        begins=st.sampled_from((-40, -40, -40, 0, 0, 1, 30, 61)),
        lasts=st.sampled_from((None, None, 366, 0, 1, 41, 42, 60, -1)),
        terms=st.sampled_from((*good, *good, *good, *bad)),
    )


def planned_contract_files() -> st.SearchStrategy[PlannedContractFile]:
    return st.builds(
        PlannedContractFile,
        arrival=st.integers(0, 2),
        container=st.sampled_from(CONTRACT_CONTAINERS),
        rows=st.lists(planned_contracts(), min_size=1, max_size=3).map(tuple),
        runs_late=st.sampled_from((0, 0, 0, 1)),
    )


def planned_attribute_files() -> st.SearchStrategy[PlannedAttributeFile]:
    said = st.one_of(
        st.tuples(st.just("edition"), st.sampled_from(EDITIONS[1:])),
        st.tuples(st.just("plan"), st.sampled_from(("gold", "silver"))),
    )
    row = st.builds(
        lambda owner, pair, begins: PlannedAttribute(owner, *pair, begins),
        st.sampled_from((0, 0, 0, 1)),
        said,
        st.sampled_from((-40, -40, 0, 1, 30)),
    )
    return st.builds(
        PlannedAttributeFile,
        arrival=st.integers(0, 2),
        container=st.sampled_from(CONTRACT_CONTAINERS),
        rows=st.lists(row, min_size=1, max_size=3).map(tuple),
        runs_late=st.sampled_from((0, 0, 0, 1)),
    )


def plans() -> st.SearchStrategy[Plan]:
    moment = st.tuples(st.sampled_from(USAGE_LAGS), st.sampled_from(CLOCKS))
    return st.builds(
        Plan,
        base_day=st.sampled_from(BASE_DAYS),
        moments=st.lists(moment, min_size=4, max_size=4).map(tuple),
        files=st.lists(planned_files(), min_size=2, max_size=8).map(tuple),
        contract_arrivals=st.tuples(
            *(st.sampled_from((-40, 0, 1, 1, 2, 3, 3, 31, 32, 64, 100)) for _ in range(3))
        ),
        contract_files=st.lists(planned_contract_files(), max_size=5).map(tuple),
        attribute_files=st.lists(planned_attribute_files(), max_size=3).map(tuple),
    )


def schedules(max_runs: int = 5, min_runs: int = 1) -> st.SearchStrategy[tuple[date, ...]]:
    """Through dates: crowded around month ends, sometimes one twice, mostly to the very end."""
    around = [
        first + timedelta(days=shift)
        for first in (date(2024, month, 1) for month in (1, 2, 3, 4, 5))
        for shift in (-2, -1, 0, 1, 2, 3)
    ]
    early = st.lists(st.sampled_from(around), min_size=min_runs - 1, max_size=max_runs - 1).map(
        sorted
    )
    ends = mostly(LAST_DAY, *around[10:])
    return st.tuples(early, ends).map(lambda drawn: (*drawn[0], drawn[1]))


def later_rows(runs: int) -> st.SearchStrategy[tuple[LaterRow, ...]]:
    """Rows that are added to the catalogue before some of the runs."""
    rows = st.sampled_from((*LATER_CLAIMS, *ATTRIBUTE_CLAIMS, *LATER_PRICES))
    added = st.builds(LaterRow, st.integers(0, runs - 1), rows)
    # No two of them may be rows of one key.
    return st.lists(added, max_size=6, unique_by=lambda later: row_key(later.row)).map(tuple)


def row_key(row: Claim | ListPrice) -> tuple[object, ...]:
    name = row.action if isinstance(row, Claim) else row.component_code
    attributes = row.attributes if isinstance(row, Claim) else None
    return type(row).__name__, name, row.effective_from, row.known_from, attributes


def build(
    plan: Plan, number: int, runs: Sequence[date], seeds: Seeds = SHIPPED_SEEDS
) -> tuple[File, ...]:
    """The files of a plan; its number goes into every name, id and owner."""
    files: list[File] = []
    for index, planned in enumerate(plan.files):
        day_lag, _ = plan.moments[planned.moment]
        arrived_on = plan.base_day + timedelta(days=day_lag + planned.lag_days)
        shape, container = agreeing(planned)
        rows: list[dict[str, Any] | str] = []
        for record in planned.records:
            if record.raw_line is not None and container.startswith(("jsonl", "ndjson")):
                rows.append(record.raw_line)
                continue
            rows.append(call_log_row(plan, record, number, seeds, shape))
            if record.has_twin:
                twin = dataclasses.replace(record, owner=record.owner + 1)
                rows.append(call_log_row(plan, twin, number, seeds, shape))
        for extra in range(planned.bulk):
            rows.append(bulk_row(plan, planned, number, f"{index}-{extra}", seeds, shape))
        file = make_file(
            "call_logs",
            f"w{number:04d}-logs-{index}",
            arrived_on,
            rows,
            container=container,
            shape=shape,
            placed_run=placing_run(runs, arrived_on, planned.runs_late),
            dated_by_path=planned.dated_by_path,
        )
        files.append(cut_short(file) if planned.is_cut_short and ".gz" in container else file)
        if planned.copy_lag_days is not None:
            files.append(copy_of(files[-1], planned.copy_lag_days, runs))
    for index, planned_contracts_file in enumerate(plan.contract_files):
        files.append(contract_file(plan, planned_contracts_file, number, index, runs, seeds))
    for index, planned_attributes in enumerate(plan.attribute_files):
        files.append(attribute_file(plan, planned_attributes, number, index, runs))
    return tuple(files)


def agreeing(planned: PlannedFile) -> tuple[str, str]:
    """Shape and container: nested shapes are JSON, and Parquet holds no unreadable status."""
    container = planned.container
    if planned.shape != "canonical" and not container.startswith(("jsonl", "ndjson")):
        container = "jsonl"
    has_no_integer = any(record.flaw == "unreadable_status" for record in planned.records)
    if container == "parquet" and has_no_integer:
        container = "csv"
    return planned.shape, container


def placing_run(runs: Sequence[date], arrived_on: date, runs_late: int) -> int:
    """A file that is late for its own arrival date appears after a run that should have read it."""
    due = next((run for run, through in enumerate(runs) if through >= arrived_on), 0)
    return due + runs_late if runs_late else 0


def copy_of(file: File, lag_days: int, runs: Sequence[date]) -> File:
    arrived_on = file.arrived_on + timedelta(days=lag_days)
    name = file.path.rsplit("/", 1)[1]
    form = "" if file.shape == "canonical" else f"format={file.shape}/"
    return dataclasses.replace(
        file,
        path=f"{file.feed}/arrived_on={arrived_on}/again/{form}{name}",
        arrived_on=arrived_on,
        placed_run=0,
    )


def owner_uin(number: int, owner: int) -> str:
    return f"1{number:05d}{owner:03d}"


def sub_accounts(number: int) -> tuple[str, str]:
    return owner_uin(number, 907), owner_uin(number, 908)


def call_log_row(
    plan: Plan, record: PlannedRecord, number: int, seeds: Seeds, shape: str
) -> dict[str, Any]:
    day_lag, clock = plan.moments[record.moment]
    called_at = datetime.combine(plan.base_day + timedelta(days=day_lag), clock, BEIJING)
    owner = owner_uin(number, record.owner)
    row: dict[str, Any] = {
        "request_id": f"w{number:04d}-{record.call}",
        "called_at": written(called_at, record.written),
        "owner_uin": int(owner) if record.owner_as_number else owner,
        # Sub-accounts are the world's, not an owner's: two owners may differ in nothing else.
        "operate_uin": (None, owner, *sub_accounts(number))[record.operator],
        "action": action(seeds, record.call, record.action),
        "region": record.region,
        # Like its action, the records of a call mostly agree on it.
        "edition": EDITIONS[(record.call + record.edition) % len(EDITIONS)],
        **OUTCOMES[record.outcome],
        **(FLAWS[record.flaw] if record.flaw else {}),
        "latency_ms": 120,
        "note": record.note,
    }
    return shaped(row, shape, called_at)


def bulk_row(
    plan: Plan, planned: PlannedFile, number: int, name: str, seeds: Seeds, shape: str
) -> dict[str, Any]:
    day_lag, clock = plan.moments[planned.moment]
    called_at = datetime.combine(plan.base_day + timedelta(days=day_lag), clock, BEIJING)
    row = {
        "request_id": f"w{number:04d}-bulk-{name}",
        "called_at": called_at.isoformat(),
        "owner_uin": owner_uin(number, 0),
        "action": action(seeds, 0, 0),
        "http_status": 200,
    }
    return shaped(row, shape, called_at)


def action(seeds: Seeds, call: int, shift: int) -> str:
    """The records of a call mostly agree on its action, and the calls share out the components."""
    claimed = [name for component in seeds.components for name in component.actions]
    candidates = (*claimed, *UNCLAIMED_ACTIONS)
    return candidates[(call % len(claimed) + shift) % len(candidates)]


def written(called_at: datetime, form: str) -> str | int:
    milliseconds, remainder = divmod(
        called_at - datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
    )
    if form == "epoch" and not remainder and milliseconds % 1000 == 0:
        return milliseconds // 1000
    if form == "epoch_ms" and not remainder:
        return milliseconds
    if form == "utc":
        return called_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if form == "new_york":
        return called_at.astimezone(timezone(timedelta(hours=-5))).isoformat()
    return called_at.isoformat()


def shaped(row: dict[str, Any], shape: str, called_at: datetime) -> dict[str, Any]:
    """The row as another shape writes it; what a shape has no place for is left out."""
    if shape == "canonical":
        return row
    error = row.get("error_code")
    if shape == "envelope":
        response: dict[str, Any] = {"RequestId": row["request_id"]}
        if error:
            response["Error"] = {"Code": error, "Message": "for people"}
        else:
            response["Images"] = ["left alone"]
        if row.get("edition"):
            response["Version"] = row["edition"]
        fields = ("called_at", "owner_uin", "operate_uin", "action")
        return {**{name: row.get(name) for name in fields}, "Response": response}
    stamp = row["called_at"]
    is_in_seconds = stamp == int(called_at.timestamp())
    if not is_in_seconds and stamp not in FLAWED_TIMES:
        # As older events have it: the billing time zone's own clock, without an offset.
        stamp = called_at.strftime("%Y-%m-%d %H:%M:%S")
    return {
        "requestID": row["request_id"],
        "eventTime": stamp,
        "userIdentity": {
            "accountId": row["owner_uin"],
            "principalId": row.get("operate_uin"),
            "type": "CAMUser",
        },
        "eventName": row["action"],
        "eventRegion": row.get("region"),
        "apiErrorCode": error,
        "errorCode": "",
    }


def contract_file(
    plan: Plan,
    planned: PlannedContractFile,
    number: int,
    index: int,
    runs: Sequence[date],
    seeds: Seeds,
) -> File:
    arrived_on = plan.base_day + timedelta(days=plan.contract_arrivals[planned.arrival])
    components = [component.component_code for component in seeds.components]
    rows = []
    for contract in planned.rows:
        begins = plan.base_day + timedelta(days=contract.begins)
        ends = None if contract.lasts is None else begins + timedelta(days=contract.lasts)
        rows.append(
            {
                "owner_uin": owner_uin(number, contract.owner),
                "component_code": components[contract.component % len(components)],
                "effective_from": begins.isoformat(),
                "effective_to": None if ends is None else ends.isoformat(),
                **dict(contract.terms),
            }
        )
    return make_file(
        "contracts",
        f"w{number:04d}-contracts-{index}",
        arrived_on,
        rows,
        container=planned.container,
        placed_run=placing_run(runs, arrived_on, planned.runs_late),
    )


def attribute_file(
    plan: Plan, planned: PlannedAttributeFile, number: int, index: int, runs: Sequence[date]
) -> File:
    arrived_on = plan.base_day + timedelta(days=plan.contract_arrivals[planned.arrival])
    rows = [
        {
            "owner_uin": owner_uin(number, row.owner),
            "attribute": row.attribute,
            "value": row.value,
            "effective_from": (plan.base_day + timedelta(days=row.begins)).isoformat(),
        }
        for row in planned.rows
    ]
    return make_file(
        "account_attributes",
        f"w{number:04d}-attributes-{index}",
        arrived_on,
        rows,
        container=planned.container,
        placed_run=placing_run(runs, arrived_on, planned.runs_late),
    )


def merged(
    plans_to_share: Sequence[Plan],
    runs: Sequence[date],
    seeds: Seeds = SHIPPED_SEEDS,
    settings: Settings | None = None,
) -> World:
    """Several plans in one landing folder with one series of runs."""
    files = [
        file
        for number, plan in enumerate(plans_to_share)
        for file in build(plan, number, runs, seeds)
    ]
    return World(tuple(files), tuple(runs), settings or Settings(), seeds)


@st.composite
def worlds(
    draw: st.DrawFn, seeds: Seeds = SHIPPED_SEEDS, max_runs: int = 5, max_plans: int = 1
) -> World:
    """One small world, for tests that run the model (or the product) once per example."""
    runs = draw(schedules(max_runs))
    drawn = draw(st.lists(plans(), min_size=1, max_size=max_plans))
    rounding = draw(st.sampled_from(("half_up", "half_up", "down")))
    world = merged(drawn, runs, seeds, Settings(deduction_rounding=rounding))
    if seeds == ROUGH_SEEDS:
        world = dataclasses.replace(world, later_rows=draw(later_rows(len(runs))))
    return world


def sample(
    count: int,
    seed: int,
    runs: Sequence[date] | None = None,
    seeds: Seeds = SHIPPED_SEEDS,
    settings: Settings | None = None,
) -> World:
    """Many worlds in one, the same for the same seed: one costly series of runs tests them all."""
    drawn = collected(plans(), count, seed)
    schedule = runs if runs is not None else collected(schedules(min_runs=3), 2, seed)[-1]
    return merged(drawn, schedule, seeds, settings)


def growing(count: int, seed: int, runs: Sequence[date]) -> World:
    """Many worlds whose catalogue grows between the runs. They share it, as they share the runs.
    Of the components only one is claimed at first."""
    world = sample(count, seed, runs, ROUGH_SEEDS)
    first, *others = ROUGH_SEEDS.components
    unclaimed = [dataclasses.replace(component, actions=()) for component in others]
    seeds = dataclasses.replace(ROUGH_SEEDS, components=(first, *unclaimed))
    # An action of which only one edition is claimed, ever.
    only_by_edition = "ReadPage"
    claims = [
        Claim(name, one.component_code)
        for one in others
        for name in one.actions
        if name != only_by_edition
    ]
    drawn = max(collected(later_rows(len(runs)), 60, seed), key=len)
    added = [LaterRow((n + seed) % len(runs), claim) for n, claim in enumerate(claims)]
    of_attributes = [
        LaterRow((n + seed) % len(runs), claim) for n, claim in enumerate(ATTRIBUTE_CLAIMS)
    ]
    there = {row_key(later.row) for later in (*added, *of_attributes)}
    others = [later for later in drawn if row_key(later.row) not in there]
    return dataclasses.replace(world, seeds=seeds, later_rows=(*added, *of_attributes, *others))


def counted(count: int, seed: int, runs: Sequence[date]) -> World:
    """Many worlds whose prices depend on how much, with packages and waivers, and with ladders that
    are replaced between the runs."""
    plans_to_share = collected(plans(), count, seed)
    world = merged(plans_to_share, runs, LADDER_SEEDS)
    chance = random.Random(seed)
    files = [
        file
        for number, plan in enumerate(plans_to_share)
        for feed in ("packages", "waivers")
        for file in quantity_files(feed, plan, number, runs, chance)
    ]
    # A ladder is replaced whole, so all its steps come before one run.
    later = [
        LaterRow(run, row)
        for steps in chance.sample(LATER_LADDERS, 4)
        for run in [chance.randrange(len(runs))]
        for row in steps
    ]
    return dataclasses.replace(world, files=(*world.files, *files), later_rows=tuple(later))


def quantity_files(
    feed: str, plan: Plan, number: int, runs: Sequence[date], chance: random.Random
) -> list[File]:
    """Files of packages or waivers of a world, with few ids, so that they come in versions."""
    components = [component.component_code for component in LADDER_SEEDS.components]
    days = [plan.base_day + timedelta(days=lag) for lag, _clock in plan.moments]
    files = []
    for index in range(chance.choice((0, 1, 1, 2, 3))):
        arrived_on = chance.choice(days) + timedelta(days=chance.choice((-3, 0, 1, 1, 2, 3, 30)))
        rows: list[dict[str, Any] | str] = []
        for _ in range(chance.choice((1, 1, 2))):
            row: dict[str, Any] = {
                "owner_uin": owner_uin(number, chance.choice((0, 0, 0, 1))),
                "component_code": chance.choice((components[0], *components)),
            }
            if feed == "packages":
                begins = chance.choice(days) - timedelta(days=chance.choice((0, 0, 1, 5)))
                row |= {
                    "package_id": f"p{number:04d}-{chance.randrange(3)}",
                    "calls": str(chance.choice((0, 1, 2, 3, 5, 20))),
                    "valid_from": begins.isoformat(),
                    "valid_to": (
                        begins + timedelta(days=chance.choice((0, 1, 2, 3, 31, 62)))
                    ).isoformat(),
                }
            else:
                row |= {
                    "waiver_id": f"v{number:04d}-{chance.randrange(3)}",
                    "usage_date": chance.choice(days).isoformat(),
                    "reason": chance.choice(("test traffic", "goodwill", "测试")),
                }
                if chance.random() < 0.4:
                    row["request_id"] = f"w{number:04d}-{chance.randrange(5)}"
                else:
                    row["calls"] = str(chance.choice((0, 1, 1, 2, 4, 100)))
            rows.append(row)
        files.append(
            make_file(
                feed,
                f"w{number:04d}-{feed}-{index}",
                arrived_on,
                rows,
                container=chance.choice(PACKAGE_CONTAINERS),
                placed_run=placing_run(runs, arrived_on, chance.choice((0, 0, 0, 1))),
            )
        )
    return files


def collected(strategy: st.SearchStrategy[Any], count: int, seed: int) -> list[Any]:
    """So many examples of a strategy, without a test around them."""
    found: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found
