"""What spreadsheets, exports and shippers leave in files, and what it comes to on the bill.

All files lie in one landing folder and are settled by one run. tests/unit/ingest/
test_reading_rules_2.py has each kind with all its members.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pytest

from tests.support.commands import callbill, run_job, succeed
from tests.support.landing_files import csv_file, json_lines, parquet_file, write
from tests.support.places import copy_of, lose_warehouse, manifest, places, query
from tests.support.project import FIXTURES

DAY = "arrived_on=2026-09-02"
LEFTOVERS = ("% ", "%\t", "'%", "%\u00a0", "%\u200b", '="%"')
UUID = "8f14e45f-ceea-467f-a8e7-b1d2c3f4a5"
# Accounts, one a case.
CONTRACTS = [f"1000000040{n:02d}" for n in range(len(LEFTOVERS))]
OWNERS, REDELIVERED, MANGLED, ZEROS, NO_CODES, ACTION = (f"1000000050{n:02d}" for n in range(6))
HEADERS, LOCAL, UUIDS, EPOCHS, PAID = (f"1000000060{n:02d}" for n in range(5))


def calls(name: str, owner: str, count: int, **fields: object) -> list[dict[str, object]]:
    return [
        {
            "request_id": f"{name}-{n:08d}",
            "called_at": f"2026-09-01T10:00:{n:02d}+08:00",
            "owner_uin": owner,
            "action": "SearchByText",
            "http_status": 200,
            **fields,
        }
        for n in range(count)
    ]


def parquet_of(columns: str) -> bytes:
    """Two rows of these columns. Polars cannot write all of these types."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "written.parquet")
        duckdb.execute(f"copy (select {columns} from range(2) as t(n)) to '{path}'")
        return path.read_bytes()


def flipped(content: bytes, position: int) -> bytes:
    damaged = bytearray(content)
    damaged[position] ^= 1
    return bytes(damaged)


def land(landing: Path) -> None:
    def put(name: str, content: bytes, feed: str = "call_logs", shape: str = "") -> None:
        write(landing / feed / DAY / shape / name, content)

    # Contracts with something around the account number: half the price.
    terms = "owner_uin,component_code,effective_from,effective_to,discount,contract_price"
    rows = [
        '"' + leftover.replace("%", owner).replace('"', '""')
        + '",wimgs_search_by_text,2026-01-01,,0.5,'
        for owner, leftover in zip(CONTRACTS, LEFTOVERS, strict=True)
    ]  # fmt: skip
    put("contracts.csv", "\n".join([terms, *rows, ""]).encode(), "contracts")
    for owner in CONTRACTS:
        put(f"{owner}.jsonl", json_lines(*calls(f"contract-{owner}", owner, 10)))
    # An account number as spreadsheets and people write it, in every format.
    spelled = [leftover.replace("%", OWNERS) for leftover in LEFTOVERS]
    for kind, write_file in (("jsonl", lambda r: json_lines(*r)), ("csv", csv_file),
                             ("parquet", parquet_file)):  # fmt: skip
        lines = [
            call for n, owner in enumerate(spelled) for call in calls(f"owner-{kind}-{n}", owner, 1)
        ]
        put(f"owners.{kind}", write_file(lines))
    put("no-owners.jsonl", json_lines(*(
        call
        for n, owner in enumerate(("1E11", "-100000000001", "null", "undefined", "-"))
        for call in calls(f"no-owner-{n}", owner, 1)
    )))  # fmt: skip
    # The same call again, with a blank behind the account number.
    put("first.jsonl", json_lines(*calls("again", REDELIVERED, 1)))
    put("second.jsonl", json_lines(*calls("again", f"{REDELIVERED} ", 1, region="a")))
    # Request ids that a spreadsheet took for numbers, and hexadecimal ones.
    mangled = calls("x", MANGLED, 5, request_id="1.78823E+15")
    real = [call for name in ("1e11ab00cd34", "12345e10")
            for call in calls("x", MANGLED, 1, request_id=name)]  # fmt: skip
    put("mangled.csv", csv_file([*mangled, *real]))
    put("dashes.jsonl", json_lines(*calls("x", MANGLED, 5, request_id="-")))
    # No error, in several spellings.
    codes = ("0", "0.0", "", " ", "NaN", "-0", "0e0")
    put("codes.jsonl", json_lines(*(
        call
        for n, code in enumerate((*codes, 0, 0.0))
        for call in calls(f"code-{n}", NO_CODES, 1, error_code=code)
    )))  # fmt: skip
    audit = {
        "requestID": "audit-00000001", "eventTime": "2026-09-01 11:30:36,123",
        "userIdentity": {"accountId": LOCAL, "principalId": LOCAL}, "eventName": "SearchByText",
        "errorCode": 0.0,
    }  # fmt: skip
    put("local.jsonl", json_lines(audit), shape="format=cloudaudit")
    identity = f"{{'accountId': '{ZEROS}', 'principalId': '{ZEROS}'}} as \"userIdentity\""
    for name, zero in (("double", "0.0::double"), ("decimal", "0.00::decimal(9, 2)")):
        content = parquet_of(
            f'\'zero-{name}-\' || n as "requestID", 1788230000 as "eventTime", {identity},'
            f' \'SearchByText\' as "eventName", {zero} as "apiErrorCode"'
        )
        put(f"zero-{name}.parquet", content, shape="format=cloudaudit")
    put("action.jsonl", json_lines(*calls("action", ACTION, 2, action="SearchByText ")))
    # Times that are none, and epochs by their size.
    times = (0, "0001-01-01T00:00:00Z", "46266.4167", "20260901")
    put("times.jsonl", json_lines(*(
        call for n, time in enumerate(times)
        for call in calls(f"time-{n}", EPOCHS, 1, called_at=time)
    )))  # fmt: skip
    epochs = (1788230000, 1788230000123, 1788230000123456, 1788230000123456789)
    put("epochs.jsonl", json_lines(*(
        call for n, time in enumerate(epochs)
        for call in calls(f"epoch-{n}", EPOCHS, 1, called_at=time)
    )))  # fmt: skip
    # Headers.
    table = csv_file(calls("header", HEADERS, 1)).decode()
    header, row = table.splitlines()
    for n, (names, more) in enumerate(((header + ",,", ",,"), (header + ",tag,tag", ",x,y"),
                                       (header.title(), ""), (header.upper(), ""))):  # fmt: skip
        put(
            f"header-{n}.csv", f"{names}\n{row.replace('header-', f'header-{n}-')}{more}\n".encode()
        )
    put("gbk.csv", f"{header},备注\n{row},x\n".encode("gbk"))
    put("utf-16.csv", table.encode("utf-16"))
    put("twice.csv", f"{header},Owner_UIN\n{row},1\n".encode())
    put("misspelt.csv", table.replace("owner_uin", "ower_uin").encode())
    put("twice.parquet", parquet_file([{**calls("t", "1", 1)[0], "Owner_UIN": "2"}]))
    # Parquet: types that nobody maps, and pages with checksums.
    put("types.parquet", parquet_of(
        "uuid() as request_id, '2026-09-01T10:00:00+08:00' as called_at,"
        f" '{UUIDS}' as owner_uin, 'SearchByText' as action, 200 as http_status,"
        " interval 3 day as waited, 1::variant as more"
    ))  # fmt: skip
    checked = (FIXTURES / "parquet_with_checksums" / "plain.parquet").read_bytes()
    put("flipped.parquet", flipped(checked, checked.index(b"100000000003")))
    # Money to an account with a tab before its number.
    events = [
        {"event_id": "e-1", "owner_uin": PAID, "occurred_at": "2026-08-31T00:00:00+08:00",
         "event_type": "activate"},
        {"event_id": "e-2", "owner_uin": f"\t{PAID}", "occurred_at": "2026-08-31T10:00:00+08:00",
         "event_type": "recharge", "amount": "50.00"},
    ]  # fmt: skip
    put("events.jsonl", json_lines(*events), "account_events")
    put("paid.jsonl", json_lines(*calls("paid", PAID, 10)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dirty")
    land(place / "landing")
    succeed(run_job(place, "--through", "2026-09-02"))
    return place


def test_what_is_meant_is_billed(place: Path) -> None:
    rated = dict(query(place, "select owner_uin, rated_amount::varchar from billing.settlements"))
    amounts = {
        **dict.fromkeys(CONTRACTS, "0.30"),
        OWNERS: "1.08",
        REDELIVERED: "0.06",
        MANGLED: "0.12",
        ZEROS: "0.24",
        NO_CODES: "0.54",
        ACTION: "0.12",
        HEADERS: "0.24",
        LOCAL: "0.06",
        UUIDS: "0.12",
        EPOCHS: "0.24",
        PAID: "0.60",
    }
    assert rated == {owner: f"{amount}000000" for owner, amount in amounts.items()}
    again = "select disposition, records from billing.calls where owner_uin = ?"
    with duckdb.connect(str(place / "published/current/callbill.duckdb"), read_only=True) as con:
        assert con.execute(again, [REDELIVERED]).fetchall() == [("billed", 2)]
    balance = (
        "select balance::varchar from billing.account_ledger"
        f" where owner_uin = '{PAID}' order by entry_no desc limit 1"
    )
    assert query(place, balance) == [("49.40",)]


def test_what_is_not_has_a_reason(place: Path) -> None:
    rows = query(
        place,
        "select regexp_extract(path, '[^/]*$'), reason, count(*), any_value(detail)"
        " from ops.rejected_records group by 1, 2",
    )
    found = {(name, reason): (count, detail) for name, reason, count, detail in rows}
    by_line = {
        ("no-owners.jsonl", "invalid_owner_uin"): 2,
        ("no-owners.jsonl", "missing_owner_uin"): 3,
        ("mangled.csv", "invalid_request_id"): 5,
        ("dashes.jsonl", "missing_request_id"): 5,
        ("times.jsonl", "invalid_called_at"): 4,
    }
    whole = {
        "gbk.csv": "is not UTF-8 but, by its header, GBK",
        "utf-16.csv": "is not UTF-8 but UTF-16",
        "twice.csv": "has the columns owner_uin and Owner_UIN",
        "twice.parquet": "has the columns owner_uin and Owner_UIN",
        "misspelt.csv": "has no column for owner_uin: its columns are request_id, called_at, ower_",
        "flipped.parquet": "is damaged: a page of it does not have the checksum",
    }
    assert found.keys() == by_line.keys() | {(name, "unreadable_file") for name in whole}
    assert {key: found[key][0] for key in by_line} == by_line
    for name, sentence in whole.items():
        assert found[name, "unreadable_file"][1].startswith(sentence)


CLEANED = """
    select f.path, c.field, c.values
    from ops.cleaned_values as c
    inner join ops.source_files as f using (source_file_id)
    order by all
"""


def test_what_was_taken_off_is_counted(place: Path) -> None:
    assert query(place, CLEANED) == [
        (f"account_events/{DAY}/events.jsonl", "owner_uin", 1),
        (f"call_logs/{DAY}/action.jsonl", "action", 2),
        *(
            (f"call_logs/{DAY}/owners.{kind}", "owner_uin", 6)
            for kind in ("csv", "jsonl", "parquet")
        ),
        (f"call_logs/{DAY}/second.jsonl", "owner_uin", 1),
        (f"contracts/{DAY}/contracts.csv", "owner_uin", 6),
    ]


def test_the_bill_is_verified(place: Path) -> None:
    ended = callbill("verify", *places(place))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_lost_warehouse_is_made_anew(place: Path, tmp_path: Path) -> None:
    lost = copy_of(place, tmp_path)
    sealed = manifest(place)["settlement_hashes"]
    lose_warehouse(lost)
    succeed(callbill("rebuild", *places(lost)))
    with duckdb.connect(str(lost / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute(CLEANED).fetchall() == query(place, CLEANED)
        hashes = con.execute("select settled_on, content_hash from ops.settlement_hashes")
        assert {str(day): text for day, text in hashes.fetchall()} == sealed
    name = f"contracts/{DAY}/contracts.csv"
    # What is withdrawn counts no longer; of a sealed file nothing is.
    assert callbill("quarantine", name, "--reason=x", *places(lost)).returncode == 2
