"""From landed files to records and contract rows: which run loads a file, and what each line says.

Every problem of a line is collected, not only the first: which of several a program reports is its
own affair, so a comparison can only ask that it names one of them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from .inputs import Claim, File, Line, ListPrice, Seeds, Settings, World

ONE_DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_EPOCH_IN_MILLISECONDS = Decimal(10) ** 11
ISO_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(?P<offset>Z|[+-]\d\d:\d\d)?"
)
EPOCH_TEXT = re.compile(r"\d+(\.\d+)?")
INTEGER_TEXT = re.compile(r"[+-]?\d+")
READ_ENDINGS = re.compile(r".+\.(parquet|(jsonl|ndjson|csv)(\.gz|\.zst)?)")

Fields = dict[str, Any]


@dataclass(frozen=True)
class Record:
    request_id: str
    called_at: datetime  # UTC
    usage_date: date
    owner_uin: str
    operate_uin: str
    action: str
    region: str | None
    http_status: int | None
    error_code: str | None
    settled_on: date
    file_id: str
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def is_failure(self) -> bool:
        bad_status = self.http_status is not None and not 200 <= self.http_status <= 299
        return self.error_code is not None or bad_status


@dataclass(frozen=True)
class ContractRow:
    owner_uin: str
    component_code: str
    effective_from: date
    effective_to: date | None
    discount: Decimal | None
    agreed_price: Decimal | None
    known_from: date
    arrived_on: date
    file_id: str
    line_number: int


@dataclass(frozen=True)
class AttributeRow:
    """What an account is from a usage date on, as a file says."""

    owner_uin: str
    attribute: str
    value: str
    effective_from: date
    known_from: date
    arrived_on: date
    file_id: str
    line_number: int


@dataclass(frozen=True)
class PackageRow:
    package_id: str
    owner_uin: str
    component_code: str
    calls: int
    valid_from: date
    valid_to: date
    known_from: date
    arrived_on: date
    file_id: str
    line_number: int

    @property
    def rank(self) -> tuple[object, ...]:
        return self.calls, self.valid_to, self.valid_from


@dataclass(frozen=True)
class WaiverRow:
    waiver_id: str
    owner_uin: str
    usage_date: date
    component_code: str
    calls: int | None
    request_id: str | None
    waiver_reason: str
    known_from: date
    arrived_on: date
    file_id: str
    line_number: int

    @property
    def rank(self) -> tuple[object, ...]:
        calls = 1 if self.calls is None else self.calls
        return calls, self.request_id is None, self.request_id or "", self.waiver_reason


@dataclass(frozen=True)
class Load:
    """A file that a run has loaded, with the settlement floor it keeps.

    A call log without a date that comes before anything is sealed is history: its records settle on
    the day after their usage. Contracts of worlds always have a date.
    """

    file: File
    run: int
    floor: date
    is_history: bool = False


@dataclass(frozen=True)
class Reject:
    file_id: str
    line_number: int | None  # None: the whole file
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class FileCount:
    file_id: str
    feed: str
    arrived_on: date
    floor: date
    lines_read: int
    accepted: int
    rejected: int
    is_readable: bool


@dataclass(frozen=True)
class Reading:
    records: tuple[Record, ...]
    contract_rows: tuple[ContractRow, ...]
    attribute_rows: tuple[AttributeRow, ...]
    rejects: tuple[Reject, ...]
    files: tuple[FileCount, ...]
    sealed_through: date | None
    seeds: Seeds  # each row known from the date that it counts from
    packages: tuple[PackageRow, ...] = ()
    waivers: tuple[WaiverRow, ...] = ()


def read_world(world: World) -> Reading:
    loads, sealed_through, first_open = load_files(world)
    records: list[Record] = []
    contract_rows: list[ContractRow] = []
    packages: list[PackageRow] = []
    waivers: list[WaiverRow] = []
    attribute_rows: list[AttributeRow] = []
    rejects: list[Reject] = []
    counts: list[FileCount] = []
    for load in loads:
        rejects_before = len(rejects)
        accepted = 0
        settled_on: set[date] = set()
        lines = [line for line in load.file.lines or () if not is_blank(line)]
        if load.file.lines is None:
            rejects.append(Reject(load.file.file_id, None, ("unreadable_file",)))
        for line in lines:
            outcome = READERS[load.file.feed](line, load, world.settings)
            if isinstance(outcome, Record):
                records.append(outcome)
                accepted += 1
                settled_on.add(outcome.settled_on)
            elif isinstance(outcome, ContractRow):
                contract_rows.append(outcome)
                accepted += 1
            elif isinstance(outcome, PackageRow):
                packages.append(outcome)
                accepted += 1
            elif isinstance(outcome, WaiverRow):
                waivers.append(outcome)
                accepted += 1
            elif isinstance(outcome, AttributeRow):
                attribute_rows.append(outcome)
                accepted += 1
            else:
                rejects.append(Reject(load.file.file_id, line.number, outcome))
        counts.append(
            FileCount(
                file_id=load.file.file_id,
                feed=load.file.feed,
                arrived_on=load.file.arrived_on,
                # A file of history can influence the dates of all its records.
                floor=min(settled_on, default=load.floor) if load.is_history else load.floor,
                lines_read=len(lines),
                accepted=accepted,
                rejected=len(rejects) - rejects_before,
                is_readable=load.file.lines is not None,
            )
        )
    return Reading(
        tuple(records),
        tuple(contract_rows),
        tuple(attribute_rows),
        tuple(rejects),
        tuple(counts),
        sealed_through,
        counted_seeds(world, first_open),
        tuple(packages),
        tuple(waivers),
    )


def load_files(world: World) -> tuple[list[Load], date | None, dict[int, date]]:
    """Play the runs: each reads what lies there and arrived by its through date, then seals. The
    result names the first date that was not sealed before each run that had something to do."""
    # The arrivals of each content, and the load of each.
    loads: defaultdict[tuple[str, str], dict[date, Load]] = defaultdict(dict)
    first_open: dict[int, date] = {}
    sealed: date | None = None
    for run, through in enumerate(world.runs):
        if sealed is not None and through <= sealed:
            continue
        first_open[run] = date.min if sealed is None else sealed + ONE_DAY
        found = [
            file
            for file in world.files
            if file.placed_run <= run and file.arrived_on <= through and is_read(file.path)
        ]
        for file in sorted(found, key=lambda file: (file.arrived_on, file.path)):
            floor = file.arrived_on if sealed is None else max(file.arrived_on, sealed + ONE_DAY)
            is_dated = "arrived_on=" in file.path
            known = loads[file.feed, file.file_id]
            # Of terms the latest counts: content that comes again later is told again.
            is_told_again = (
                file.feed != "call_logs"
                and is_dated
                and file.arrived_on > max(known, default=date.min)
            )
            if not known or is_told_again:
                is_history = sealed is None and not is_dated
                known[file.arrived_on] = Load(file, run, floor, is_history)
        if loads:
            sealed = through
    return [load for known in loads.values() for load in known.values()], sealed, first_open


def counted_seeds(world: World, first_open: dict[int, date]) -> Seeds:
    """The catalogue with what was added to it. Such a row is known from its own date on, but not on
    one that was sealed when a run first saw it. Of two that thereby become known together the one
    that was to be known last counts."""
    # With the dates from which the rows were to be known.
    prices = [(row.known_from, row) for row in world.seeds.list_prices]
    claims = [(row.known_from, row) for row in world.seeds.claims]
    for component in world.seeds.components:
        claims += [(date.min, Claim(name, component.component_code)) for name in component.actions]
    for later in world.later_rows:
        first_seen = min((run for run in first_open if run >= later.run), default=None)
        if first_seen is None:
            continue
        known_from = max(later.row.known_from, first_open[first_seen])
        if isinstance(later.row, ListPrice):
            price = dataclasses.replace(later.row, known_from=known_from)
            prices.append((later.row.known_from, price))
        else:
            claim = dataclasses.replace(later.row, known_from=known_from)
            claims.append((later.row.known_from, claim))
    # A ladder is replaced whole.
    ladders: dict[tuple[str, date, date], dict[date, list[ListPrice]]] = {}
    for own_known_from, row in prices:
        ladder = ladders.setdefault((row.component_code, row.effective_from, row.known_from), {})
        ladder.setdefault(own_known_from, []).append(row)
    last_prices = [row for versions in ladders.values() for row in versions[max(versions)]]
    last_claims = {
        (row.action, row.attributes, row.effective_from or date.min, row.known_from): row
        for _, row in sorted(claims, key=lambda pair: pair[0])
    }
    return Seeds(world.seeds.components, tuple(last_prices), tuple(last_claims.values()))


def is_read(path: str) -> bool:
    name = PurePosixPath(path).name
    return name[0] not in "._" and READ_ENDINGS.fullmatch(name) is not None


def is_blank(line: Line) -> bool:
    return isinstance(line.data, str) and not line.data.strip()


def parsed(line: Line) -> Fields | None:
    if not isinstance(line.data, str):
        return dict(line.data)
    try:
        value = json.loads(line.data, parse_float=Decimal)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


# Call logs


def canonical(raw: Fields) -> Fields:
    return raw


def envelope(raw: Fields) -> Fields:
    response = inner(raw, "Response")
    return {
        "request_id": response.get("RequestId"),
        "called_at": raw.get("called_at"),
        "owner_uin": raw.get("owner_uin"),
        "operate_uin": raw.get("operate_uin"),
        "action": raw.get("action"),
        "error_code": inner(response, "Error").get("Code"),
        "http_status": 200,
        "edition": response.get("Version"),
    }


def cloudaudit(raw: Fields) -> Fields:
    identity = inner(raw, "userIdentity")
    return {
        "request_id": raw.get("requestID"),
        "called_at": raw.get("eventTime"),
        "owner_uin": identity.get("accountId"),
        "operate_uin": identity.get("principalId"),
        "action": raw.get("eventName"),
        "region": raw.get("eventRegion"),
        "error_code": text(raw.get("apiErrorCode")) or text(raw.get("errorCode")),
        "http_status": 200,
    }


SHAPES: dict[str, Callable[[Fields], Fields]] = {
    "canonical": canonical,
    "envelope": envelope,
    "cloudaudit": cloudaudit,
}


def read_record(line: Line, load: Load, settings: Settings) -> Record | tuple[str, ...]:
    """The record of a line, or the reasons why it has none."""
    raw = parsed(line)
    if raw is None:
        return ("unparseable_line",)
    fields = SHAPES[load.file.shape](raw)
    zone = ZoneInfo(settings.billing_timezone)
    reasons = [
        f"missing_{name}"
        for name in ("request_id", "owner_uin", "action", "called_at")
        if text(fields.get(name)) is None
    ]

    called_at = None
    if text(fields.get("called_at")) is not None:
        naive_zone = zone if load.file.shape == "cloudaudit" else None
        called_at = timestamp(fields["called_at"], naive_zone)
        if called_at is None:
            reasons.append("bad_called_at")

    error_code = text(fields.get("error_code"))
    http_status = None
    if text(fields.get("http_status")) is not None:
        http_status = integer(fields["http_status"])
        if http_status is None:
            reasons.append("bad_http_status")
    elif error_code is None:
        reasons.append("unknown_outcome")

    usage_date = None if called_at is None else called_at.astimezone(zone).date()
    if usage_date is not None and usage_date > load.file.arrived_on + ONE_DAY:
        reasons.append("future_timestamp")
    if reasons or called_at is None or usage_date is None:
        return tuple(reasons)

    owner_uin = required(fields, "owner_uin")
    action = required(fields, "action")
    return Record(
        request_id=required(fields, "request_id"),
        called_at=called_at,
        usage_date=usage_date,
        owner_uin=owner_uin,
        operate_uin=text(fields.get("operate_uin")) or owner_uin,
        action=action,
        region=text(fields.get("region")),
        http_status=http_status,
        error_code=error_code,
        settled_on=usage_date + ONE_DAY
        if load.is_history
        else max(usage_date + ONE_DAY, load.floor),
        file_id=load.file.file_id,
        attributes=(("edition", edition),) if (edition := text(fields.get("edition"))) else (),
    )


# What accounts are


def read_attribute(line: Line, load: Load, settings: Settings) -> AttributeRow | tuple[str, ...]:
    """What a line says of an account, or the reasons why it says nothing."""
    raw = parsed(line)
    if raw is None:
        return ("unparseable_line",)
    reasons = [
        f"missing_{name}"
        for name in ("owner_uin", "attribute", "value", "effective_from")
        if text(raw.get(name)) is None
    ]
    effective_from = calendar_date(raw.get("effective_from"))
    if effective_from is None and text(raw.get("effective_from")) is not None:
        reasons.append("bad_effective_from")
    if reasons or effective_from is None:
        return tuple(reasons)
    return AttributeRow(
        owner_uin=required(raw, "owner_uin"),
        attribute=required(raw, "attribute"),
        value=required(raw, "value"),
        effective_from=effective_from,
        known_from=load.floor,
        arrived_on=load.file.arrived_on,
        file_id=load.file.file_id,
        line_number=line.number,
    )


# Contracts


def read_contract(line: Line, load: Load, settings: Settings) -> ContractRow | tuple[str, ...]:
    """The contract version of a line, or the reasons why it has none."""
    raw = parsed(line)
    if raw is None:
        return ("unparseable_line",)
    reasons = [
        f"missing_{name}"
        for name in ("owner_uin", "component_code", "effective_from")
        if text(raw.get(name)) is None
    ]
    effective_from = calendar_date(raw.get("effective_from"))
    if effective_from is None and text(raw.get("effective_from")) is not None:
        reasons.append("bad_effective_from")
    effective_to = calendar_date(raw.get("effective_to"))
    if effective_to is None and text(raw.get("effective_to")) is not None:
        reasons.append("bad_effective_to")
    if effective_from is not None and effective_to is not None and effective_to < effective_from:
        reasons.append("ends_before_it_begins")

    has_discount = text(raw.get("discount")) is not None
    has_price = text(raw.get("contract_price")) is not None
    discount = decimal(raw.get("discount"))
    agreed_price = decimal(raw.get("contract_price"))
    if has_discount == has_price:
        reasons.append("not_either_discount_or_price")
    if has_discount and (discount is None or not 0 < discount <= 1 or places(discount) > 6):
        reasons.append("bad_discount")
    if has_price and (agreed_price is None or agreed_price < 0 or places(agreed_price) > 8):
        reasons.append("bad_contract_price")
    if reasons or effective_from is None:
        return tuple(reasons)
    return ContractRow(
        owner_uin=required(raw, "owner_uin"),
        component_code=required(raw, "component_code"),
        effective_from=effective_from,
        effective_to=effective_to,
        discount=discount,
        agreed_price=agreed_price,
        known_from=load.floor,
        arrived_on=load.file.arrived_on,
        file_id=load.file.file_id,
        line_number=line.number,
    )


# Packages and waivers


def read_package(line: Line, load: Load, settings: Settings) -> PackageRow | tuple[str, ...]:
    """The version of a package in a line, or the reasons why it has none."""
    raw = parsed(line)
    if raw is None:
        return ("unparseable_line",)
    names = ("package_id", "owner_uin", "component_code", "calls", "valid_from", "valid_to")
    reasons = [f"missing_{name}" for name in names if text(raw.get(name)) is None]
    calls = whole(raw.get("calls"))
    valid_from, valid_to = calendar_date(raw.get("valid_from")), calendar_date(raw.get("valid_to"))
    if calls is None or valid_from is None or valid_to is None or valid_to < valid_from:
        reasons.append("bad_terms")
    if reasons or calls is None or valid_from is None or valid_to is None:
        return tuple(reasons)
    return PackageRow(
        required(raw, "package_id"),
        required(raw, "owner_uin"),
        required(raw, "component_code"),
        calls,
        valid_from,
        valid_to,
        load.floor,
        load.file.arrived_on,
        load.file.file_id,
        line.number,
    )


def read_waiver(line: Line, load: Load, settings: Settings) -> WaiverRow | tuple[str, ...]:
    """The version of a waiver in a line, or the reasons why it has none."""
    raw = parsed(line)
    if raw is None:
        return ("unparseable_line",)
    names = ("waiver_id", "owner_uin", "component_code", "usage_date", "reason")
    reasons = [f"missing_{name}" for name in names if text(raw.get(name)) is None]
    usage_date = calendar_date(raw.get("usage_date"))
    calls, request_id = whole(raw.get("calls")), text(raw.get("request_id"))
    has_calls = text(raw.get("calls")) is not None
    if (
        usage_date is None
        or has_calls == (request_id is not None)
        or has_calls != (calls is not None)
    ):
        reasons.append("bad_terms")
    if reasons or usage_date is None:
        return tuple(reasons)
    return WaiverRow(
        required(raw, "waiver_id"),
        required(raw, "owner_uin"),
        usage_date,
        required(raw, "component_code"),
        calls,
        request_id,
        required(raw, "reason"),
        load.floor,
        load.file.arrived_on,
        load.file.file_id,
        line.number,
    )


READERS: dict[str, Callable[[Line, Load, Settings], Any]] = {
    "call_logs": read_record,
    "contracts": read_contract,
    "packages": read_package,
    "waivers": read_waiver,
    "account_attributes": read_attribute,
}

# Values


def whole(value: Any) -> int | None:
    """A number of calls."""
    number = decimal(value)
    return int(number) if number is not None and number >= 0 and places(number) == 0 else None


def inner(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str | None:
    """A scalar as text; an empty one is none, as in a CSV file, which can't tell the two apart."""
    return None if value is None or value == "" else str(value)


def required(fields: Mapping[str, Any], name: str) -> str:
    value = text(fields.get(name))
    assert value is not None, name
    return value


def integer(value: Any) -> int | None:
    return int(str(value)) if INTEGER_TEXT.fullmatch(str(value)) else None


def decimal(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def places(number: Decimal) -> int:
    """How many decimals a number needs; trailing zeros don't count."""
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def calendar_date(value: Any) -> date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def timestamp(value: Any, naive_zone: ZoneInfo | None) -> datetime | None:
    """A point in time; one without offset only where a zone is given to read it in."""
    written = str(value)
    if EPOCH_TEXT.fullmatch(written):
        epoch = Decimal(written)
        seconds = epoch / 1000 if epoch >= FIRST_EPOCH_IN_MILLISECONDS else epoch
        return EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
    match = ISO_TIMESTAMP.fullmatch(written)
    if match is None or (match["offset"] is None and naive_zone is None):
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=naive_zone)
    return moment.astimezone(UTC)
