"""A file of every kind that clouds and people deliver lands in one run, and is billed like the same
calls in canonical lines. The vendor's bill agrees in each of its forms. What cannot be read is
named."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import cramjam
import duckdb
import openpyxl
import pytest
import zstandard

from tests.support.commands import callbill, run_job
from tests.support.landing_files import json_lines, write
from tests.support.places import places, query, query_warehouse
from tests.support.shared import make_once
from tests.support.vendor_bill_forms import FORMS, adjustment, archive, chinese
from tests.support.vendor_bill_forms import table as bill_table

DAY = "2026-09-02"
OWNER = "100000000901"
FIELDS = ("request_id", "called_at", "owner_uin", "action", "http_status", "error_code")


def calls(name: str, count: int = 3) -> list[dict[str, object]]:
    """Calls of an account of their own, the last of which failed."""
    return [
        {
            "request_id": f"{name}-0000-{number}",
            "called_at": f"2026-09-01T10:00:{number:02d}+08:00",
            "owner_uin": OWNER,
            "action": "SearchByText",
            "http_status": 200,
            "error_code": "InternalError" if number == count else None,
        }
        for number in range(1, count + 1)
    ]


def lines(name: str) -> bytes:
    return "".join(json.dumps(call) + "\n" for call in calls(name)).encode()


def table(name: str, delimiter: str = ",", before: str = "") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(calls(name))
    return (before + text.getvalue()).encode()


def damaged(content: bytes, at: bytes) -> bytes:
    """An archive, of which a byte of a stored member is another one."""
    place = content.index(at)
    return content[:place] + b"?" + content[place + 1 :]


def stored(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, member in members.items():
            packed.writestr(name, member)
    return content.getvalue()


def encrypted(content: bytes) -> bytes:
    """An archive whose only member says that it is encrypted."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + offset
        content = content[:at] + bytes([content[at] | 1]) + content[at + 1 :]
    return content


DOCUMENTS = {
    "array.json": lambda name: json.dumps(calls(name), indent=2).encode(),
    "array_in_a_line.json": lambda name: json.dumps(calls(name)).encode(),
    "holder.json": lambda name: json.dumps({"total": 3, "data": calls(name)}, indent=1).encode(),
    "holder_in_a_line.JSON": lambda name: json.dumps({"n": 3, "Items": calls(name)}).encode(),
    "lines.json": lines,
    "pages.json": lambda name: "\n".join(
        json.dumps({"page": n, "data": [call]}, indent=1) for n, call in enumerate(calls(name))
    ).encode(),
    "objects.json": lambda name: "\n".join(
        json.dumps(call, indent=4) for call in calls(name)
    ).encode(),
    "pages_in_an_array.json": lambda name: json.dumps(
        [{"data": calls(name)[:1]}, {"data": calls(name)[1:]}]
    ).encode(),
    "batches.json": lambda name: b"".join(
        json.dumps([call]).encode() + b"\n" for call in calls(name)
    ),
}
PLAIN = {
    "plain.jsonl": lines,
    "CAPITALS.JSONL": lines,
    "packed.jsonl.bz2": lambda name: bz2.compress(lines(name)),
    "several.jsonl.BZ2": lambda name: b"".join(
        bz2.compress(line + b"\n") for line in lines(name).splitlines()
    ),
    "raw.jsonl.snappy": lambda name: bytes(cramjam.snappy.compress_raw(lines(name))),
    "packed.Csv.GZ": lambda name: gzip.compress(table(name)),
    "tabs.tsv": lambda name: table(name, "\t"),
    "tabs.csv": lambda name: table(name, "\t"),
    "semicolons.csv": lambda name: table(name, ";"),
    "bars.CSV": lambda name: table(name, "|"),
    "titled.csv": lambda name: table(name, before="Calls of September\n\n"),
    "commented.csv": lambda name: table(name, before="# exported by hand, as is\n"),
    "excel.csv": lambda name: table(name, ";", before="sep=;\n"),
    "app.log": lines,
    "app.log.1": lines,
    "app.log-20260901.gz": lambda name: gzip.compress(lines(name)),
    "table.txt": table,
    "lines.txt": lines,
}
ARCHIVES = {
    "two.zip": lambda name: archive(
        {
            f"{name}.jsonl": b"".join(lines(name).splitlines(True)[:1]),
            f"in/a/folder/{name}.csv": table(name),
        }
    ),
    "packed_within.ZIP": lambda name: archive({f"{name}.jsonl.gz": gzip.compress(lines(name))}),
    "mac.zip": lambda name: archive(
        {f"{name}.jsonl": lines(name), f"__MACOSX/._{name}.jsonl": b"\0\1"}
    ),
}
WITHOUT_ENDING = {
    "20260901_10": lines,
    "20260901_11": lambda name: gzip.compress(lines(name)),
    "20260901_12": lambda name: bz2.compress(lines(name)),
    "20260901_14.snappy": lambda name: bytes(cramjam.snappy.compress_raw(lines(name))),
}
READ = PLAIN | DOCUMENTS | ARCHIVES | WITHOUT_ENDING
UNREADABLE = {
    "broken.zip": b"PK\x03\x04 this is no archive",
    "cut.jsonl.bz2": bz2.compress(lines("cut"))[:-8],
    "cut.jsonl.snappy": bytes(cramjam.snappy.compress_raw(lines("cut raw")))[:-8],
    "framed.jsonl.snappy": bytes(cramjam.snappy.compress(lines("framed"))),
    "cut.json": json.dumps(calls("cut"), indent=1).encode()[:-20],
    "secret.zip": encrypted(stored(**{"secret.jsonl": lines("secret")})),
    "flipped.zip": damaged(stored(**{"flipped.jsonl": lines("flipped")}), b"SearchByText"),
}
IN_WORKBOOK, IN_GB18030, WINDOWED = "100000000902", "100000000903", "100000000904"
WINDOWS = (27, 28, 29, 30)


def packed_with_window(window: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=window, compression_level=3)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    call = calls(f"window-{window}")[0] | {"owner_uin": WINDOWED}
    return packer.compress(json.dumps(call).encode() + b"\n") + packer.flush()


def agreed_in_a_workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Agreed prices"])
    sheet.append(["owner_uin", "component_code", "effective_from", "effective_to", "discount"])
    first_day = datetime.fromisoformat("2026-09-01T00:00:00")
    sheet.append([int(IN_WORKBOOK), "wimgs_search_by_text", first_day, None, 0.5])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def agreed_in_gb18030() -> bytes:
    header = "备注,owner_uin,component_code,effective_from,discount"
    line = f"折扣,{IN_GB18030},wimgs_search_by_text,2026-09-01,0.25"
    return f"{header}\n{line}\n".encode("gb18030")


NOT_READ = {
    "app.jsonl.lzo": "lzop",
    "app.jsonl.sz": "snappy in frames",
    "app.tar": "tar",
    "no_ending": "is neither",
    "book.xlsx": "is a workbook",
    "book.xls": "save it as .xlsx or .csv",
}


IN_OWN_SHAPES = "100000000905"
# Shapes of the place: CSV as CLS ships it, and lines of text.
OWN_SHAPES = {
    "cls_csv": (
        "delimiter: '|'\nquote: \"'\"\nescape: '\\'\n"
        "columns: [request_id, called_at, owner_uin, action, query, code]\n"
        "fields: {request_id: request_id, called_at: called_at, owner_uin: owner_uin,"
        " action: action, error_code: code}\n"
        "constants: {http_status: 200}\nno_error_codes: ['null']\n",
        "calls.csv",
        f"own-1|1788228000|{IN_OWN_SHAPES}|SearchByText|'red | \\' teapot'|null\n".encode(),
    ),
    "text": (
        "files: lines\npattern: '(?P<at>\\S+) (?P<account>\\d+) (?P<action>\\w+) (?P<id>\\S+)'\n"
        "fields: {request_id: id, called_at: at, owner_uin: account, action: action}\n"
        "constants: {http_status: 200}\n",
        "20260901_own",
        f"2026-09-01T10:00:00+08:00 {IN_OWN_SHAPES} SearchByText own-2\n".encode(),
    ),
}
# An account for each form of the vendor's bill, with two calls.
BILLED = {name: str(100000000950 + number) for number, name in enumerate(FORMS)}
ADJUSTED, MONTH_TO_DATE = "100000000990", "100000000991"


def in_own_shapes() -> list[dict[str, object]]:
    return [
        calls("own")[0] | {"request_id": f"own-{n}", "owner_uin": IN_OWN_SHAPES} for n in (1, 2)
    ]


def of_billed_accounts() -> list[dict[str, object]]:
    return [
        call | {"owner_uin": owner}
        for owner in (*BILLED.values(), ADJUSTED, MONTH_TO_DATE)
        for call in calls(f"billed-{owner}")
    ]


def _land_bills(landing: Path) -> None:
    """Calls of accounts, and the vendor's bill of each in another form."""
    write(
        landing / f"call_logs/arrived_on={DAY}/of-billed.jsonl", json_lines(*of_billed_accounts())
    )
    bills = landing / f"vendor_bills/arrived_on={DAY}"
    for name, owner in BILLED.items():
        write(bills / name, FORMS[name](owner, "0.00200000", "0.12000000"))
    line = chinese(ADJUSTED, "0.00200000", "0.12000000")
    write(bills / "adjusted.csv", bill_table([line]).encode())
    write(bills / "adjustments.json", adjustment(ADJUSTED, -3.5))
    # What came the day before had less of the month.
    short = bill_table([chinese(MONTH_TO_DATE, "0.00100000", "0.06000000")])
    whole = bill_table([chinese(MONTH_TO_DATE, "0.00200000", "0.12000000")])
    write(landing / "vendor_bills/arrived_on=2026-09-01/month.csv", short.encode())
    write(bills / "month.csv", whole.encode())


@pytest.fixture(scope="module")
def place() -> Path:
    return make_once("every-kind-of-file", _make)


@pytest.fixture(scope="module")
def canonical() -> Path:
    """The same calls and contracts as canonical lines alone."""
    return make_once("every-kind-of-file-as-lines", _make_canonical)


def _make_canonical(folder: Path) -> None:
    expected = [call for number, name in enumerate(READ) for call in calls(f"{number:02d}-{name}")]
    expected += [*in_own_shapes(), *of_billed_accounts()]
    for owner in (IN_WORKBOOK, IN_GB18030):
        expected += [call | {"owner_uin": owner} for call in calls(f"of-{owner}")]
    for window in WINDOWS[:-1]:
        expected.append(calls(f"window-{window}")[0] | {"owner_uin": WINDOWED})
    write(folder / f"landing/call_logs/arrived_on={DAY}/calls.jsonl", json_lines(*expected))
    terms = [
        {
            "owner_uin": owner, "component_code": "wimgs_search_by_text",
            "effective_from": "2026-09-01", "discount": discount,
        }
        for owner, discount in ((IN_WORKBOOK, "0.5"), (IN_GB18030, "0.25"))
    ]  # fmt: skip
    write(folder / f"landing/contracts/arrived_on={DAY}/terms.jsonl", json_lines(*terms))
    ended = run_job(folder, "--through", DAY)
    assert ended.returncode == 0, ended.stderr


def _make(folder: Path) -> None:
    landing = folder / "landing" / "call_logs" / f"arrived_on={DAY}"
    for n, (name, content) in enumerate(READ.items()):
        below = landing / "format=canonical" if name in WITHOUT_ENDING else landing
        write(below / name, content(f"{n:02d}-{name}"))
    for name, content in UNREADABLE.items():
        write(landing / name, content)
    for name in NOT_READ:
        write(landing / name, f"x {name}".encode())
    for window in WINDOWS:
        write(landing / f"window{window}.jsonl.zst", packed_with_window(window))
    terms = folder / "landing" / "contracts" / f"arrived_on={DAY}"
    write(terms / "agreed.xlsx", agreed_in_a_workbook())
    write(terms / "agreed.csv", agreed_in_gb18030())
    for owner in (IN_WORKBOOK, IN_GB18030):
        agreed = [call | {"owner_uin": owner} for call in calls(f"of-{owner}")]
        write(landing / f"{owner}.json", json.dumps(agreed).encode())
    write(landing / "nested.zip", archive({"again.zip": archive({"a.jsonl": lines("again")})}))
    for name, (declaration, file, content) in OWN_SHAPES.items():
        write(folder / f"shapes/{name}.yml", declaration.encode())
        write(folder / f"landing/call_logs/format={name}/arrived_on={DAY}/{file}", content)
    _land_bills(folder / "landing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLBILL_SHAPES", str(folder / "shapes"))
        ended = run_job(folder, "--through", DAY)
    (folder / "stdout").write_text(ended.stdout + ended.stderr)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_like_canonical_lines(place: Path, name: str) -> None:
    number = list(READ).index(name)
    found = query(
        place,
        "select request_id, called_at, error_code, disposition from billing.calls"
        f" where starts_with(request_id, '{number:02d}-{name}-') order by request_id",
    )
    expected = query(
        place,
        f"select replace(request_id, '00-plain.jsonl', '{number:02d}-{name}'), called_at,"
        " error_code, disposition from billing.calls"
        " where starts_with(request_id, '00-plain.jsonl-') order by request_id",
    )
    assert len(expected) == 3
    assert found == expected


def test_the_bill_is_that_of_the_same_calls_in_canonical_lines(
    place: Path, canonical: Path
) -> None:
    # Not every form tells who called, and from where; and one call of two.zip came twice.
    of_calls = "request_id, settled_on, usage_date, owner_uin, component_code, disposition"
    for mart, columns in (
        ("bill_lines", "*"), ("settlements", "*"), ("monthly_bills", "*"), ("calls", of_calls),
    ):  # fmt: skip
        rows = f"select {columns} from billing.{mart} order by all"
        assert query(place, rows) == query(canonical, rows), mart
    [(billed,)] = query(place, "select sum(calls_billed) from billing.calls")
    accounts = len(BILLED) + 2
    assert billed == 2 * len(READ) + 2 + 2 * accounts + 2 * 2 + 3


def test_nothing_is_unread_but_what_is_named(place: Path) -> None:
    """Also of files that were read no line was rejected."""
    rejected = query(
        place,
        "select parse_filename(path), reason from ops.rejected_records"
        " where reason <> 'unreadable_file' order by all",
    )
    assert rejected == []
    unreadable = query(
        place, "select count(*) from ops.rejected_records where reason = 'unreadable_file'"
    )
    assert unreadable == [(len(UNREADABLE) + 1,)]  # and the window of 1 GiB
    listed = query_warehouse(
        place, "select count(*) from ops.source_files where records_accepted = 0"
    )
    assert listed == [(len(UNREADABLE) + 1,)]


@pytest.mark.parametrize("name", BILLED)
def test_the_vendors_bill_agrees_in_each_form(place: Path, name: str) -> None:
    found = query(
        place,
        "select category, calls, vendor_calls, cost_difference::varchar from billing.reconciliation"
        f" where owner_uin = '{BILLED[name]}'",
    )
    assert found == [("none", 2, 2, "0.00000000")]
    line = query_warehouse(
        place,
        "select usage_date::varchar, used_amount, list_price, real_cost from raw.vendor_bills"
        f" where owner_uin = '{BILLED[name]}'",
    )
    assert line == [("2026-09-01", Decimal("0.002"), Decimal(60), Decimal("0.12"))]


def test_a_month_to_date_replaces_that_of_the_day_before(place: Path) -> None:
    found = query(
        place,
        "select category, vendor_calls from billing.reconciliation"
        f" where owner_uin = '{MONTH_TO_DATE}'",
    )
    assert found == [("none", 2)]


def test_an_adjustment_of_the_vendors_is_kept_apart(place: Path) -> None:
    found = query(
        place,
        "select status, vendor_cost::varchar from billing.vendor_bill_lines"
        f" where owner_uin = '{ADJUSTED}' order by 1",
    )
    assert found == [("bill_adjustment", "-3.50000000"), ("usage", "0.12000000")]


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_among_the_rejects(place: Path, name: str) -> None:
    [(reason, detail)] = query(
        place,
        "select reason, detail from ops.rejected_records"
        f" where path like '%/{name}' or path like '%/{name}/%'",
    )
    assert reason == "unreadable_file"
    assert {
        "broken.zip": "is no whole .zip",
        "cut.jsonl.bz2": "does not decompress to its end",
        "cut.jsonl.snappy": "does not decompress to its end",
        "framed.jsonl.snappy": "is snappy in frames",
        "cut.json": "is no whole JSON document",
        "secret.zip": "is encrypted in its .zip",
        "flipped.zip": "does not unpack from its .zip",
    }[name] in detail


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read_is_named_with_the_reason(place: Path, name: str) -> None:
    told = " ".join((place / "stdout").read_text().split())
    assert f"/{name}: " in told
    assert NOT_READ[name] in told.split(f"/{name}: ")[1].split("Not read")[0]


def test_an_archive_in_an_archive_is_named(place: Path) -> None:
    told = " ".join((place / "stdout").read_text().split())
    assert "nested.zip/again.zip: is a .zip in a .zip" in told


def test_contracts_come_as_people_save_them(place: Path) -> None:
    prices = query(
        place,
        "select owner_uin, contract_price::varchar from billing.bill_lines"
        f" where owner_uin in ('{IN_WORKBOOK}', '{IN_GB18030}') order by 1",
    )
    assert prices == [(IN_WORKBOOK, "30.00000000"), (IN_GB18030, "15.00000000")]


def test_long_windows_of_zstd_are_read_up_to_the_stated_one(place: Path) -> None:
    read = query(place, f"select request_id from billing.calls where owner_uin = '{WINDOWED}'")
    assert sorted(row[0] for row in read) == [f"window-{n}-0000-1" for n in (27, 28, 29)]
    [(detail,)] = query(
        place, "select detail from ops.rejected_records where path like '%/window30.jsonl.zst'"
    )
    assert "needs a window of more than 512 MiB" in detail


def test_verify_agrees(place: Path) -> None:
    ended = callbill("verify", *places(place))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_rebuild_gives_the_same(place: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    ended = callbill(
        "rebuild", "--landing", str(place / "landing"), "--published", str(place / "published"),
        "--warehouse", str(warehouse),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with duckdb.connect(str(warehouse), read_only=True) as con:
        rebuilt = dict(
            con.execute("select settled_on::varchar, content_hash from ops.settlement_hashes")
            .fetchall()
        )  # fmt: skip
        lines = con.execute("from billing.bill_lines order by all").fetchall()
    manifest = json.loads((place / "published" / "current" / "manifest.json").read_text())
    assert rebuilt == manifest["settlement_hashes"]
    assert lines == query(place, "from billing.bill_lines order by all")


def test_members_of_an_archive_are_files_of_their_own(place: Path) -> None:
    found = query(
        place,
        "select path, records_accepted from ops.source_files where contains(path, 'two.zip')"
        " order by path",
    )
    folder = f"call_logs/arrived_on={DAY}/two.zip"
    number = list(READ).index("two.zip")
    assert found == [
        (f"{folder}/in/a/folder/{number:02d}-two.zip.csv", 3),
        (f"{folder}/{number:02d}-two.zip.jsonl", 1),
    ] or found == [
        (f"{folder}/{number:02d}-two.zip.jsonl", 1),
        (f"{folder}/in/a/folder/{number:02d}-two.zip.csv", 3),
    ]
