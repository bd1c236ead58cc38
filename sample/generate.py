"""Write the sample landing folder: two months of API call logs of eight accounts.

    python sample/generate.py [target]

Without a target, `sample/landing` is replaced. What looks random is drawn from a seed and nothing
asks the clock, so the same files come out every time. `sample/README.md` tells the story and works
the bills out by hand.
"""

import csv
import gzip
import hashlib
import io
import json
import shutil
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import duckdb

PAGE = "100000000001"  # page example: four calls at list price cost 0.24
DISCOUNT = "100000000002"  # contract discount: a call costs fractions of a fen
AGREED = "100000000003"  # agreed price from the middle of August, known in time
LATE_CONTRACT = "100000000004"  # its contract becomes known a week late: re-rating
CSV_SHOP = "100000000005"  # logs as CSV, three sub-accounts
PARQUET_SHOP = "100000000006"  # logs as Parquet on the first ten days of a month
AUDIT = "100000000007"  # logs as CloudAudit events
ENVELOPE = "100000000008"  # logs as SDK response envelopes

SEED = 20261002
FIRST_DAY, LAST_DAY = date(2026, 8, 1), date(2026, 9, 30)
BEIJING = timezone(timedelta(hours=8))  # China has no summer time
DAY_START, DAY_END = time(0, 0, 0), time(23, 59, 59, 999_000)

# Successful calls a day, Monday to Sunday.
WEEK = {
    AGREED: (20, 12, 9, 14, 28, 4, 6),
    LATE_CONTRACT: (9, 7, 8, 10, 11, 5, 3),
    CSV_SHOP: (18, 18, 18, 18, 18, 8, 8),
    PARQUET_SHOP: (24, 24, 24, 24, 24, 10, 10),
    AUDIT: (20, 20, 20, 20, 20, 8, 8),
    ENVELOPE: (16, 16, 16, 16, 16, 6, 6),
}
# Chosen so that rounding the days favours the vendor in August and the customer in September.
DISCOUNT_WEEK = {8: (20, 12, 22, 24, 50, 5, 3), 9: (17, 10, 28, 30, 42, 6, 5)}

# One failure of each kind, then one that has nothing but its HTTP status.
FAILURES: tuple[tuple[str | None, int], ...] = (
    ("AuthFailure.SignatureExpire", 200),  # auth
    ("InvalidParameter", 200),  # request
    ("RequestLimitExceeded.UinLimitExceeded", 200),  # throttling
    ("ResourceNotFound", 200),  # resource
    ("InternalError", 200),  # server
    ("ResourceUnavailable.InArrears", 200),  # arrears
    (None, 502),  # server, without an error code
)
SUB_ACCOUNTS = {
    CSV_SHOP: (None, "200000000051", "200000000052", "200000000053"),
    AUDIT: (None, "200000000071"),
    ENVELOPE: (None, None, "200000000081"),
}
REGIONS = ("ap-guangzhou", "ap-beijing", "ap-shanghai")
CLIENTS = ("web", "Blue Harbour, Ningbo", 'the "old" app', '上海, "Bund" shop')
SEARCH_TEXT = "red enamel teapot 红色搪瓷茶壶"  # must never be stored

SAME_DAY = (date(2026, 8, 18), date(2026, 9, 9))  # calls before noon arrive the same day
CUT_LATE = (date(2026, 8, 15), date(2026, 8, 31))  # the file has the next day's first calls too


@dataclass(frozen=True)
class Record:
    """One line of a call log. A malformed one holds text where the type says better."""

    request_id: str | None
    called_at: datetime | str
    owner_uin: str
    operate_uin: str | None = None
    action: str = "SearchByText"
    region: str = REGIONS[0]
    http_status: int | str | None = 200
    error_code: str | None = None
    latency_ms: int = 0
    query: str | None = None

    @property
    def time(self) -> datetime:
        if isinstance(self.called_at, str):
            raise TypeError(f"{self.called_at} is kept as text")
        return self.called_at


Item = Record | str  # a record, or a line that is none


def digest(*key: object) -> bytes:
    """Bytes that depend on nothing but the seed and the key, whatever else is drawn."""
    return hashlib.sha256(repr((SEED, *key)).encode()).digest()


def draw(*key: object, below: int) -> int:
    return int.from_bytes(digest(*key)[:8], "big") % below


def days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


# --- calls -------------------------------------------------------------------------------------


def successes_on(owner: str, day: date) -> int:
    if owner == PAGE:
        return 4 if day == date(2026, 8, 5) else 0
    week = DISCOUNT_WEEK[day.month] if owner == DISCOUNT else WEEK[owner]
    return week[day.weekday()]


def failures_on(owner: str, day: date) -> int:
    if owner == PAGE:
        return 3 if day == date(2026, 8, 5) else 0
    if owner in (DISCOUNT, AGREED, LATE_CONTRACT):
        return 1
    return 2 if day.weekday() < 5 else 1


def success(owner: str, day: date, number: int, series: str = "plan") -> Record:
    """Call number 0 of a day opens it, the last one planned closes it, to the millisecond."""
    key = (series, owner, day.isoformat(), number)
    at = datetime.combine(day, DAY_START, BEIJING)
    if series == "plan" and number == successes_on(owner, day) - 1:
        at = datetime.combine(day, DAY_END, BEIJING)
    elif series != "plan" or number > 0:
        at += timedelta(seconds=60 + draw("at", key, below=86_200))
    operators = SUB_ACCOUNTS.get(owner, (None,))
    return Record(
        request_id=str(uuid.UUID(bytes=digest("call", key)[:16], version=4)),
        called_at=at,
        owner_uin=owner,
        operate_uin=operators[draw("operator", key, below=len(operators))],
        region=REGIONS[draw("region", key, below=len(REGIONS))],
        latency_ms=120 + draw("latency", key, below=700),
    )


def failure(owner: str, day: date, number: int) -> Record:
    # Envelopes and audit events carry no HTTP status, so the last kind isn't for them.
    kinds = FAILURES[:-1] if owner in (AUDIT, ENVELOPE) else FAILURES
    error_code, http_status = kinds[(day.toordinal() + int(owner) + number) % len(kinds)]
    call = success(owner, day, number, series="failed")
    return replace(call, error_code=error_code, http_status=http_status)


def planned_calls(owner: str, day: date) -> Iterator[Record]:
    for number in range(successes_on(owner, day)):
        yield success(owner, day, number)
    for number in range(failures_on(owner, day)):
        yield failure(owner, day, number)
    if owner == ENVELOPE and day.weekday() == 0:  # no component claims this action
        yield replace(success(owner, day, 0, series="unclaimed"), action="DescribeUsage")


def delivered_again(call: Record) -> Record:
    """The same call in a later delivery: two seconds later by the clock, and slower."""
    later = call.time + timedelta(seconds=2)
    return replace(call, called_at=later, latency_ms=call.latency_ms + 40)


def failed_after_all(call: Record) -> Record:
    return replace(call, error_code="InternalError", latency_ms=call.latency_ms + 9_000)


# --- which file a record arrives in ------------------------------------------------------------


def arrival(day: date) -> str:
    return f"call_logs/arrived_on={day}"


def api_file(usage_day: date) -> str:
    """The daily file of the accounts in the canonical shape; a few are left readable."""
    plain = {date(2026, 8, 5): "jsonl", date(2026, 8, 6): "jsonl", date(2026, 9, 24): "ndjson"}
    suffix = plain.get(usage_day, "jsonl.gz")
    return f"{arrival(usage_day + timedelta(days=1))}/api-{usage_day}.{suffix}"


def csv_file(usage_day: date) -> str:
    suffix = "csv.gz" if usage_day == date(2026, 8, 14) else "csv"
    return f"{arrival(usage_day + timedelta(days=1))}/csv-shop-{usage_day}.{suffix}"


def parquet_file(usage_day: date) -> str:
    return f"{arrival(usage_day + timedelta(days=1))}/parquet-shop-{usage_day}.parquet"


def audit_file(usage_day: date) -> str:
    # What arrived the day after 15 September is broken; the whole of it comes a day later.
    delay = 2 if usage_day == date(2026, 9, 15) else 1
    folder = arrival(usage_day + timedelta(days=delay))
    return f"{folder}/format=cloudaudit/audit-{usage_day}.jsonl.gz"


def envelope_file(usage_day: date) -> str:
    suffix = "jsonl.zst" if usage_day == date(2026, 9, 12) else "jsonl"
    folder = arrival(usage_day + timedelta(days=1))
    return f"{folder}/format=envelope/envelope-{usage_day}.{suffix}"


def planned_file(call: Record) -> str:
    day = call.time.date()
    if call.owner_uin == CSV_SHOP:
        return csv_file(day)
    if call.owner_uin == AUDIT:
        return audit_file(day)
    if call.owner_uin == ENVELOPE:
        return envelope_file(day)
    if call.owner_uin == PARQUET_SHOP and day.day <= 10:
        return parquet_file(day)
    return planned_api_file(call, day)


def planned_api_file(call: Record, day: date) -> str:
    if day in SAME_DAY and call.time.hour < 12:
        return f"{arrival(day)}/api-{day}-morning.jsonl.gz"
    opens_the_day = call.time.time() == DAY_START
    if opens_the_day and day - timedelta(days=1) in CUT_LATE:
        return api_file(day - timedelta(days=1))
    if opens_the_day and day == date(2026, 8, 8) and call.owner_uin == AGREED:
        return api_file(date(2026, 8, 6))  # a day before it happened, which is just allowed
    return api_file(day)


# --- the story ---------------------------------------------------------------------------------


def everyday() -> Iterator[tuple[str, Record]]:
    accounts = (PAGE, DISCOUNT, *WEEK)
    for day in days(FIRST_DAY, LAST_DAY):
        for owner in accounts:
            for call in planned_calls(owner, day):
                path = planned_file(call)
                yield path, call
                # A log that is delivered at least once repeats itself now and then.
                if owner != PAGE and draw("twice", call.request_id, below=25) == 0:
                    slower = draw("slower", call.request_id, below=2) * 15
                    yield path, replace(call, latency_ms=call.latency_ms + slower)


def whole_slices_again() -> Iterator[tuple[str, Record]]:
    """A day's calls once more, the day after they came first."""
    api_day, csv_day = date(2026, 8, 12), date(2026, 9, 16)
    audit_day, envelope_day = date(2026, 8, 31), date(2026, 9, 30)
    again = [
        ((DISCOUNT, AGREED, LATE_CONTRACT), api_day, f"api-{api_day}-again.jsonl"),
        ((CSV_SHOP,), csv_day, f"csv-shop-{csv_day}-again.csv"),
        ((AUDIT,), audit_day, f"format=cloudaudit/audit-{audit_day}-again.jsonl.gz"),
        ((ENVELOPE,), envelope_day, f"format=envelope/envelope-{envelope_day}-again.jsonl"),
    ]
    for owners, day, name in again:
        for owner in owners:
            for call in planned_calls(owner, day):
                yield f"{arrival(day + timedelta(days=2))}/{name}", delivered_again(call)


def late_usage() -> Iterator[tuple[str, Record]]:
    august = f"{arrival(date(2026, 9, 4))}/api-2026-08-30-late.jsonl"
    for owner, calls in ((DISCOUNT, 6), (AGREED, 4), (LATE_CONTRACT, 5)):
        for number in range(calls):
            yield august, success(owner, date(2026, 8, 30), number, series="late")
    # 63 days before it arrives: too old to be billed.
    yield august, success(LATE_CONTRACT, date(2026, 7, 3), 0, series="late")

    october = f"{arrival(date(2026, 10, 2))}/csv-shop-late.csv"
    # 4 days late; 62 days, which is just young enough; 63 days, which is too old.
    for day, calls in ((date(2026, 9, 28), 4), (date(2026, 8, 1), 3), (date(2026, 7, 31), 2)):
        for number in range(calls):
            yield october, success(CSV_SHOP, day, number, series="late")


def second_thoughts() -> Iterator[tuple[str, Record]]:
    """Records that contradict another record of the same call."""
    # Failures that become known after the call was billed.
    billed = success(DISCOUNT, date(2026, 9, 10), 3)
    yield api_file(date(2026, 9, 14)), failed_after_all(billed)
    billed = success(LATE_CONTRACT, date(2026, 8, 29), 2)
    yield f"{arrival(date(2026, 9, 4))}/api-2026-08-30-late.jsonl", failed_after_all(billed)
    billed = success(CSV_SHOP, date(2026, 8, 25), 5)
    yield csv_file(date(2026, 9, 2)), failed_after_all(billed)
    billed = success(AUDIT, date(2026, 9, 5), 1)
    yield audit_file(date(2026, 9, 8)), failed_after_all(billed)
    yield audit_file(date(2026, 9, 10)), billed  # its success again, which changes nothing

    # A success and a failure in one file, and a failure whose success comes a day later.
    both = success(AGREED, date(2026, 8, 20), 0, series="both")
    yield api_file(date(2026, 8, 20)), both
    yield api_file(date(2026, 8, 20)), failed_after_all(both)
    late = success(ENVELOPE, date(2026, 8, 12), 0, series="failed first")
    yield envelope_file(date(2026, 8, 12)), failed_after_all(late)
    yield envelope_file(date(2026, 8, 13)), late

    # One request id under two owners: on the same day, and after the call was billed.
    contested = success(AGREED, date(2026, 9, 8), 0, series="contested")
    yield api_file(date(2026, 9, 8)), contested
    yield api_file(date(2026, 9, 8)), replace(delivered_again(contested), owner_uin=LATE_CONTRACT)
    billed = success(PARQUET_SHOP, date(2026, 9, 14), 7)
    yield envelope_file(date(2026, 9, 17)), replace(billed, owner_uin=ENVELOPE)


def search_texts() -> Iterator[tuple[str, Record]]:
    """Failed calls whose log lines carry the search text."""
    for owner in (AGREED, AUDIT):
        call = failed_after_all(success(owner, date(2026, 8, 7), 0, series="search text"))
        yield planned_file(call), replace(call, query=SEARCH_TEXT)


def malformed() -> Iterator[tuple[str, Item]]:
    """Lines to be rejected. Each would be billed if it were read."""
    path, number = api_file(date(2026, 8, 6)), iter(range(100))

    def good() -> Record:
        return success(AGREED, date(2026, 8, 6), next(number), series="malformed")

    cut_short = canonical_line(replace(good(), query=SEARCH_TEXT))
    yield path, cut_short[: cut_short.index("teapot") + 6]
    yield path, "-- log rotated --"
    yield path, ""  # blank lines are not lines
    yield path, json.dumps([canonical_line(good())])
    yield path, "null"
    yield path, json.dumps(canonical_line(good()))
    yield path, canonical_line(good()).replace('"request_id"', '"requestid"')
    yield path, replace(good(), request_id=None)
    yield path, "   "
    yield path, replace(good(), called_at="2026-08-06T10:11:12")
    yield path, replace(good(), called_at="2026-08-06 10:11:12")
    yield path, replace(good(), http_status="OK")
    yield path, replace(good(), http_status="2OO")  # the letter O
    yield path, replace(good(), http_status=None, error_code=None)
    yield path, replace(good(), http_status=None, error_code="")
    yield path, replace(good(), called_at="2026-08-09T00:00:00+08:00")  # arrived on the 7th

    path = csv_file(date(2026, 8, 20))
    row = success(CSV_SHOP, date(2026, 8, 20), 0, series="malformed")
    yield path, replace(row, request_id=None)
    yield path, ""
    yield path, replace(row, called_at="2026-08-20 10:11:12")
    yield path, replace(row, http_status="-")
    yield path, replace(row, http_status=None)

    path = parquet_file(date(2026, 9, 3))
    row = success(PARQUET_SHOP, date(2026, 9, 3), 0, series="malformed")
    yield path, replace(row, request_id=None)
    yield path, replace(row, http_status=None)
    yield path, replace(row, called_at=datetime(2026, 9, 6, tzinfo=BEIJING))

    row = success(AUDIT, date(2026, 9, 2), 0, series="malformed")
    yield audit_file(date(2026, 9, 2)), replace(row, request_id=None)
    future = datetime(2026, 9, 5, tzinfo=BEIJING)
    yield audit_file(date(2026, 9, 2)), replace(row, called_at=future)
    row = success(ENVELOPE, date(2026, 9, 2), 0, series="malformed")
    yield envelope_file(date(2026, 9, 2)), replace(row, request_id=None)


# --- log shapes --------------------------------------------------------------------------------


def stamp(call: Record) -> str | int:
    """A time in one of the forms a log may use; the ends of a day always in UTC."""
    if isinstance(call.called_at, str):
        return call.called_at
    at = call.called_at
    if at.time() in (DAY_START, DAY_END):
        return in_utc(at)
    forms: tuple[str | int, ...] = (
        at.isoformat(),
        in_utc(at),
        int(at.timestamp()),
        int(at.timestamp()) * 1000 + at.microsecond // 1000,
    )
    return forms[draw("stamp", call.request_id, below=len(forms))]


def in_utc(at: datetime) -> str:
    places = "milliseconds" if at.microsecond else "seconds"
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=places) + "Z"


def as_json(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def canonical_line(call: Record) -> str:
    number = call.owner_uin == LATE_CONTRACT  # this account's logs write its id as a number
    fields: dict[str, object] = {
        "request_id": call.request_id,
        "called_at": stamp(call),
        "owner_uin": int(call.owner_uin) if number else call.owner_uin,
        "action": call.action,
        "region": call.region,
        "http_status": call.http_status,
        "latency_ms": call.latency_ms,
        "sdk": "python-3.0",
    }
    if call.operate_uin is not None:
        fields["operate_uin"] = call.operate_uin
    # No error is said in three ways: null, empty, or not at all.
    if call.error_code is not None:
        fields["error_code"] = call.error_code
    elif (form := draw("no error", call.request_id, below=3)) < 2:
        fields["error_code"] = (None, "")[form]
    if call.query is not None:
        fields["Query"] = call.query
    return as_json(fields)


def envelope_line(call: Record) -> str:
    response: dict[str, object] = {"RequestId": call.request_id}
    if call.error_code is not None:
        response["Error"] = {"Code": call.error_code, "Message": "see the code"}
    return as_json(
        {
            "called_at": stamp(call),
            "owner_uin": call.owner_uin,
            "operate_uin": call.operate_uin,
            "action": call.action,
            "Response": response,
        }
    )


def cloudaudit_line(call: Record) -> str:
    as_text = draw("event time", call.request_id, below=20) == 0
    fields: dict[str, object] = {
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{call.request_id}")),
        "eventName": call.action,
        "eventSource": "wimgs.tencentcloudapi.com",
        "eventRegion": call.region,
        "eventTime": f"{call.time:%Y-%m-%d %H:%M:%S}" if as_text else int(call.time.timestamp()),
        "requestID": call.request_id,
        "userIdentity": {
            "type": "CAMUser" if call.operate_uin else "Root",
            "accountId": call.owner_uin,
            "principalId": call.operate_uin or call.owner_uin,
        },
    }
    # errorCode speaks of authentication only; what the product itself says is apiErrorCode.
    is_auth = (call.error_code or "").startswith("AuthFailure")
    fields["errorCode"] = call.error_code if is_auth else ""
    fields["apiErrorCode"] = "" if is_auth else call.error_code or ""
    if call.query is not None:
        fields["requestParameters"] = as_json({"Query": call.query})
    return as_json(fields)


CSV_HEADER = (
    "request_id,called_at,owner_uin,operate_uin,action,region,"
    "http_status,error_code,latency_ms,client"
)


def csv_line(call: Record) -> str:
    client = CLIENTS[draw("client", call.request_id, below=len(CLIENTS))]
    if call.request_id == success(CSV_SHOP, date(2026, 8, 20), 0).request_id:
        client = "two\nlines"
    row = [
        call.request_id,
        stamp(call),
        call.owner_uin,
        call.operate_uin,
        call.action,
        call.region,
        call.http_status,
        call.error_code,
        call.latency_ms,
        client,
    ]
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)
    return line.getvalue().removesuffix("\n")


def log_text(path: str, items: list[Item]) -> str:
    shape = canonical_line
    if "format=envelope" in path:
        shape = envelope_line
    elif "format=cloudaudit" in path:
        shape = cloudaudit_line
    elif ".csv" in path:
        shape = csv_line
    lines = [item if isinstance(item, str) else shape(item) for item in items]
    if shape is csv_line:
        lines.insert(0, CSV_HEADER)
    return "".join(f"{line}\n" for line in lines)


# --- files -------------------------------------------------------------------------------------


def gzipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as stream:
        stream.write(content)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    if path.suffix == ".zst":
        write_zstandard(path, text)
    else:
        write(path, gzipped(text.encode()) if path.suffix == ".gz" else text.encode())


def write_zstandard(path: Path, text: str) -> None:
    """DuckDB packs it: the standard library can't before Python 3.14."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("create table lines (line varchar)")
        connection.executemany("insert into lines values (?)", [[s] for s in text.splitlines()])
        # As CSV of one column, where nothing needs quoting, the lines come out as they are.
        connection.table("lines").write_csv(
            str(path), sep="\t", quotechar="", escapechar="", header=False, compression="zstd"
        )


def write_parquet(path: Path, items: list[Item]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            """
            create table calls (
                request_id varchar, called_at timestamptz, owner_uin bigint, operate_uin varchar,
                action varchar, region varchar, http_status integer, error_code varchar,
                latency_ms integer
            )
            """
        )
        connection.executemany(
            "insert into calls values (?, make_timestamptz(?), ?, ?, ?, ?, ?, ?, ?)",
            [parquet_row(item) for item in items if isinstance(item, Record)],
        )
        connection.table("calls").write_parquet(str(path), compression="zstd")


def parquet_row(call: Record) -> list[object]:
    since_epoch = call.time - datetime(1970, 1, 1, tzinfo=UTC)
    return [
        call.request_id,
        since_epoch // timedelta(microseconds=1),
        int(call.owner_uin),
        call.operate_uin,
        call.action,
        call.region,
        call.http_status,
        call.error_code,
        call.latency_ms,
    ]


def interleave(items: list[Item], others: list[Item]) -> list[Item]:
    """One of the others after every second item, while there are any."""
    merged = list(items)
    for position, other in enumerate(others, start=1):
        merged.insert(3 * position - 1, other)
    return merged


def write_call_logs(target: Path) -> None:
    files: dict[str, list[Record]] = defaultdict(list)
    for part in (everyday, whole_slices_again, late_usage, second_thoughts, search_texts):
        for path, record in part():
            files[path].append(record)
    odd: dict[str, list[Item]] = defaultdict(list)
    for path, item in malformed():
        odd[path].append(item)

    for path, records in files.items():
        in_order: list[Item] = [*sorted(records, key=lambda record: record.time)]
        items = interleave(in_order, odd[path])
        if path.endswith(".parquet"):
            write_parquet(target / path, items)
        else:
            write_text(target / path, log_text(path, items))


def write_odd_files(target: Path) -> None:
    """Files that are not what they seem."""
    # A transfer that broke off; the whole file comes a day later.
    whole = (target / audit_file(date(2026, 9, 15))).read_bytes()
    cut = f"{arrival(date(2026, 9, 16))}/format=cloudaudit/audit-2026-09-15.jsonl.gz"
    write(target / cut, whole[: len(whole) // 2])

    # The same content under two names. The copy comes later, but its path sorts first.
    original = (target / csv_file(date(2026, 9, 20))).read_bytes()
    write(target / "call_logs/a-copy/arrived_on=2026-09-23/csv-shop-copy.csv", original)

    # A file that is still being written.
    calls = [success(AGREED, date(2026, 8, 8), number, series="tmp") for number in range(5)]
    text = "\n".join(canonical_line(call) for call in calls)
    write_text(target / f"{arrival(date(2026, 8, 9))}/api-2026-08-08.jsonl.tmp", text[:-20])


def write_contracts(target: Path) -> None:
    component = "wimgs_search_by_text"
    columns = "owner_uin,component_code,effective_from,effective_to,discount,contract_price"
    write_text(
        target / "contracts/arrived_on=2026-07-30/contracts.csv",
        f"{columns}\n"
        f"{DISCOUNT},{component},2026-08-01,2026-09-01,0.855,\n"
        f"{DISCOUNT},{component},2026-09-01,,0.680405,\n",
    )
    agreed: dict[str, object] = {
        "owner_uin": AGREED,
        "component_code": component,
        "effective_from": "2026-08-16",
        "effective_to": None,
        "contract_price": "43.21098125",
    }
    write_text(
        target / "contracts/arrived_on=2026-08-10/agreed-price.jsonl", f"{as_json(agreed)}\n"
    )
    late: dict[str, object] = {
        "owner_uin": LATE_CONTRACT,
        "component_code": component,
        "effective_from": "2026-08-28",
        "discount": 0.9125,
    }
    write_text(target / "contracts/arrived_on=2026-09-04/late.jsonl", f"{as_json(late)}\n")


def write_account_events(target: Path) -> None:
    """An account that falls into arrears, is suspended, pays and resumes; one that never pays."""

    def event(event_id: str, owner: str, at: str, kind: str, amount: object = None) -> str:
        said = {"event_id": event_id, "owner_uin": owner, "occurred_at": f"{at}+08:00"}
        return as_json({**said, "event_type": kind, "amount": amount}) + "\n"

    paid = event("recharge-2", ENVELOPE, "2026-09-09T18:00:00", "recharge", 30)
    by_sub_account = as_json(
        {
            "event_id": "activate-8b",
            "owner_uin": ENVELOPE,
            "operate_uin": "100000000081",
            "occurred_at": "2026-07-31T09:00:00+08:00",
            "event_type": "activate",
        }
    )
    files = {
        "2026-07-31/events.jsonl": (
            by_sub_account + "\n"
            + event("activate-8", ENVELOPE, "2026-07-31T10:00:00", "activate")
            + event("recharge-1", ENVELOPE, "2026-07-31T10:30:00", "recharge", "25.00")
            + event("activate-1", PAGE, "2026-07-31T11:00:00", "activate")
            + event("recharge-0", PAGE, "2026-07-31T11:30:00", "recharge", "0.20")
        ),
        "2026-08-01/grants.csv": (
            "event_id,owner_uin,occurred_at,event_type,amount,memo\n"
            f"grant-1,{ENVELOPE},2026-08-01T09:00:00+08:00,credit_grant,3.00,welcome\n"
        ),
        "2026-09-09/events.jsonl": paid,
        # Once more, with what is not to be had.
        "2026-09-10/events.jsonl": (
            paid
            + event("refund-1", ENVELOPE, "2026-09-10T11:00:00", "refund", "0.96")
            + event("recharge-2", ENVELOPE, "2026-09-09T18:00:00", "recharge", "300.00")
        ),
        "2026-09-22/blocks.csv": (
            "event_id,owner_uin,occurred_at,event_type,amount,memo\n"
            f"block-1,{ENVELOPE},2026-09-15T10:00:00+08:00,block,2.00,order 17\n"
            f"unblock-1,{ENVELOPE},2026-09-22T10:00:00+08:00,unblock,2.00,order 17\n"
            f"unblock-2,{ENVELOPE},2026-09-22T10:00:01+08:00,unblock,0.01,order 17\n"
        ),
    }  # fmt: skip
    for path, text in files.items():
        write_text(target / "account_events" / f"arrived_on={path}", text)


def write_vendor_bills(target: Path) -> None:
    """The vendor's own bills of one account: August from the API, September as the detail that its
    console exports, in which it has gone wrong in every way that there is."""
    august = []
    for day in days(FIRST_DAY, date(2026, 8, 31)):
        # It knew of the late calls in time.
        calls = successes_on(DISCOUNT, day) + (6 if day == date(2026, 8, 30) else 0)
        august.append(
            {
                "BillId": f"20260801{day:%m%d}",
                "PayerUin": DISCOUNT,
                "OwnerUin": DISCOUNT,
                "OperateUin": DISCOUNT,
                "BusinessCodeName": "联网图像搜索",
                "ProductCodeName": "联网图像搜索",
                "PayModeName": "按量计费",
                "ActionTypeName": "按量计费日结",
                "PayTime": f"{day + timedelta(days=1)} 08:12:31",
                "FeeBeginTime": f"{day} 00:00:00",
                "FeeEndTime": f"{day} 23:59:59",
                "ComponentSet": [
                    {
                        "ComponentCodeName": "文搜图",
                        "ItemCodeName": "文搜图",
                        "SinglePrice": "60.00000000",
                        "Discount": "0.855",
                        "PriceUnit": "元/千次",
                        "UsedAmount": vendor_text(calls, 3),
                        "UsedAmountUnit": "千次",
                        "RealCost": vendor_text(calls * 51_300_000, 9),
                    }
                ],
            }
        )
    # The API gives a bill in pages.
    pages = [
        as_json({"Response": {"DetailSet": august[n : n + 20], "RequestId": f"page-{n}"}}) + "\n"
        for n in range(0, len(august), 20)
    ]
    write_text(target / "vendor_bills/arrived_on=2026-09-03/bill-2026-08.jsonl", "".join(pages))

    rows = [
        vendor_row(day, successes_on(DISCOUNT, day))
        for day in days(date(2026, 9, 1), LAST_DAY)
        if day != date(2026, 9, 20)  # missing there
    ]
    by_day = {row["开始使用时间"][:10]: row for row in rows}
    more = successes_on(DISCOUNT, date(2026, 9, 3)) + 3
    by_day["2026-09-03"] |= vendor_row(date(2026, 9, 3), more)  # volume
    by_day["2026-09-09"]["优惠后总价"] = "1.14"  # of 1.14308040: rounding
    by_day["2026-09-15"] |= {  # the price of the month before
        "折扣率": "0.855",
        "组件单价": "51.30000000",
        "优惠后总价": vendor_text(successes_on(DISCOUNT, date(2026, 9, 15)) * 51_300_000, 9),
    }
    by_day["2026-09-25"]["优惠后总价"] = "1.47164640"  # not 1.71462060: unexplained
    reversal = vendor_row(date(2026, 9, 10), -1) | {
        "交易类型": "按量计费冲正",
        "扣费时间": "2026-09-15 08:10:00",
    }
    other = vendor_row(date(2026, 9, 22), 5) | {"组件类型": "图搜图", "组件名称": "图搜图"}
    adjustment = vendor_row(date(2026, 9, 1), 0) | {
        "交易类型": "billVirtualId",
        "交易ID": "月度计费精度差异",
        "扣费时间": "2026-10-01 08:10:00",
        "结束使用时间": "2026-09-30 23:59:59",
        "组件用量": "",
        "优惠后总价": "-0.09",
    }
    # A bill is of all that the account uses.
    server = vendor_row(date(2026, 9, 7), 0) | {
        "产品名称": "云服务器 CVM",
        "子产品名称": "云服务器CVM-标准型S5",
        "组件类型": "CPU",
        "组件名称": "CPU",
        "组件刊例价": "0.05500000",
        "组件单价": "0.05500000",
        "组件价格单位": "元/核/小时",
        "组件用量": "48.00000000",
        "组件用量单位": "核小时",
        "折扣率": "1.000000",
        "优惠后总价": "2.64000000",
    }
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows([*rows, reversal, other, adjustment, server])
    write(
        target / "vendor_bills/arrived_on=2026-10-02/bill-2026-09.csv",
        text.getvalue().encode("utf-8-sig"),
    )


def vendor_row(day: date, calls: int) -> dict[str, str]:
    """A day's calls in some of the columns of the vendor's detail, at September's price."""
    return {
        "支付者UIN": DISCOUNT,
        "使用者UIN": DISCOUNT,
        "操作者UIN": DISCOUNT,
        "产品名称": "联网图像搜索",
        "计费模式": "按量计费",
        "子产品名称": "联网图像搜索",
        "交易类型": "按量计费日结",
        "订单ID": "-",
        "交易ID": f"20260901{day:%m%d}",
        "扣费时间": f"{day + timedelta(days=1)} 08:10:00",
        "开始使用时间": f"{day} 00:00:00",
        "结束使用时间": f"{day} 23:59:59",
        "组件类型": "文搜图",
        "组件名称": "文搜图",
        "组件刊例价": "60.00000000",
        "组件单价": "40.82430000",
        "组件价格单位": "元/千次",
        "组件用量": vendor_text(calls, 3),
        "组件用量单位": "千次",
        "折扣率": "0.680405",
        # 10^-9 CNY, whose last digit is zero.
        "优惠后总价": vendor_text(calls * 40_824_300, 9),
    }


def vendor_text(number: int, decimals: int) -> str:
    """A whole number of 10^-decimals with 8 decimals, as the vendor writes amounts."""
    sign, digits = ("-" if number < 0 else ""), str(abs(number)).zfill(decimals + 1)
    return f"{sign}{digits[:-decimals]}.{(digits[-decimals:] + '0' * 8)[:8]}"


def main(arguments: list[str]) -> int:
    default = Path(__file__).resolve().parent / "landing"
    target = Path(arguments[0]) if arguments else default
    if target == default and target.exists():
        shutil.rmtree(target)
    if target.exists() and any(target.iterdir()):
        print(f"{target} is not empty: name an empty or a new folder.", file=sys.stderr)
        return 2
    write_contracts(target)
    write_account_events(target)
    write_call_logs(target)
    write_odd_files(target)
    write_vendor_bills(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
