"""The site of a release: what its pages show is what the marts say, and stays among themselves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from callbill.release.site.data import COLUMNS, FORMAT, LAST_ENTRIES

from tests.support.commands import run_job, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import query
from tests.support.project import PROJECT, SAMPLE_THROUGH
from tests.support.site import HOSTILE, site_of

VENDOR = PROJECT / "pipelines" / "callbill" / "release" / "site" / "vendor"


def given(place: Path, name: str) -> Any:
    """What a script of the data folder gives."""
    text = (site_of(place) / "data" / str(FORMAT) / f"{name}.js").read_text(encoding="utf-8")
    said = re.fullmatch(r"callbill\.give\((\"[^\"]+\"), (.*)\);\n", text, re.DOTALL)
    assert said, text[:100]
    assert json.loads(said[1]) == name
    return json.loads(said[2])


def accounts_given(place: Path, folder: str) -> dict[str, dict[str, list[list[str | None]]]]:
    found: dict[str, dict[str, list[list[str | None]]]] = {}
    for path in sorted((site_of(place) / "data" / str(FORMAT) / folder).glob("[0-9]*.js")):
        share = dict(given(place, f"{folder}/{path.stem}"))
        assert not share.keys() & found.keys()
        found |= share
    return found


def months(place: Path) -> list[str]:
    folders = (site_of(place) / "data" / str(FORMAT)).iterdir()
    return sorted(path.name for path in folders if path.name != "accounts")


def rows_of(place: Path, sql: str) -> Iterator[list[str | None]]:
    for row in query(place, sql):
        yield list(row)


def as_texts(kind: str) -> str:
    return ", ".join(f"cast({column} as varchar)" for column in COLUMNS[kind])


def test_every_row_of_the_bill_is_given_to_the_last_digit(sample_place: Path) -> None:
    marts = {
        "lines": ("bill_lines", "bill_month"),
        "settlements": ("settlements", "bill_month"),
        "adjustment": ("precision_adjustments", "bill_month"),
        "usage": ("daily_usage", "date_trunc('month', usage_date)"),
    }
    shown: dict[str, list[list[str | None]]] = {kind: [] for kind in marts}
    for month in months(sample_place):
        for owner, tables in accounts_given(sample_place, month).items():
            for kind, rows in tables.items():
                shown[kind] += [[owner, month, *row] for row in rows]
    for kind, (mart, month) in marts.items():
        expected = list(
            rows_of(
                sample_place,
                f"select owner_uin, strftime({month}, '%Y-%m'), {as_texts(kind)}"
                f" from billing.{mart}",
            )
        )
        assert len(expected) > 5, kind
        assert sorted(shown[kind], key=str) == sorted(expected, key=str), kind


def test_lists_of_bills_and_accounts(sample_place: Path) -> None:
    for month in months(sample_place):
        expected = rows_of(
            sample_place,
            "select owner_uin, product_code, calls::varchar, list_cost::varchar,"
            " discount_amount::varchar, rated_amount::varchar, adjustment_amount::varchar,"
            f" deducted_amount::varchar from billing.monthly_bills where bill_month = '{month}-01'"
            " order by all",
        )
        assert given(sample_place, f"{month}/bills") == list(expected)
    rows = [dict(zip(COLUMNS["accounts"], row, strict=True))
            for row in given(sample_place, "accounts/all")]  # fmt: skip
    known = query(
        sample_place,
        "select owner_uin from billing.daily_usage union"
        " select owner_uin from billing.account_ledger union"
        " select owner_uin from billing.service_status order by 1",
    )
    assert [row["owner_uin"] for row in rows] == [owner for (owner,) in known]
    [owing] = [row for row in rows if row["amount_due"]]
    assert owing == {
        "owner_uin": "100000000001",
        "status": "suspended",
        "balance": "-0.04",
        "available": "-0.04",
        "amount_due": "0.04",
        "bill_month": "2026-08-01",
    }


def test_how_an_account_stands(sample_place: Path) -> None:
    account = accounts_given(sample_place, "accounts")["100000000001"]
    assert account["notice"] == [
        ["2026-08-06 08:00:00", "0.04", "2026-08-07 08:00:00", "suspended"]
    ]
    assert [row[0] for row in account["status"]] == [
        *("suspended", "arrears", "active", "not_activated")
    ]
    assert len(account["months"]) == 1
    entries = accounts_given(sample_place, "accounts").values()
    assert max(len(tables.get("entries", [])) for tables in entries) == LAST_ENTRIES
    last = query(
        sample_place,
        "select max_by(reference, entry_no) from billing.account_ledger group by owner_uin",
    )
    assert {tables["entries"][0][-1] for tables in entries if "entries" in tables} == {
        reference for (reference,) in last
    }


def test_pages_ask_nobody_outside_and_tell_nothing_of_the_machine(sample_place: Path) -> None:
    site = site_of(sample_place)
    pages = sorted(site.rglob("*.html"))
    assert {page.relative_to(site).as_posix() for page in pages} == {
        *("index.html", "bills.html", "bill.html", "accounts.html", "account.html", "runs.html"),
        *("controls/index.html", "dbt/index.html"),
    }
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert str(sample_place) not in text, page
        assert str(PROJECT) not in text, page
        loaded = r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)=["']((?:https?:)?//[^"']*)"""
        assert re.findall(loaded, text) == [], page
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'(?:src|href)="([^"#?]+)', text):
            assert (page.parent / address).exists(), (page, address)


def test_the_data_dictionary_knows_marts_columns_and_who_uses_them(sample_place: Path) -> None:
    text = (site_of(sample_place) / "dbt" / "index.html").read_text(encoding="utf-8")
    for name in ("model.callbill.bill_lines", "exposure.callbill.site", "residual_amount"):
        assert name in text


def test_scripts_of_others_are_as_they_were_published() -> None:
    said = re.findall(r"^\| `([\w.-]+)` .*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(),
                      re.MULTILINE)  # fmt: skip
    assert {name for name, _ in said} == {path.name for path in VENDOR.glob("*.js")}
    for name, content_hash in said:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == content_hash, name


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls in two months, and a night of the third, of which the first two are settled."""
    place = tmp_path_factory.mktemp("nights")
    events = [
        {"event_id": "a", "event_type": "activate", "occurred_at": "2026-03-01T08:00:00+08:00"},
        {"event_id": "b", "event_type": "recharge", "occurred_at": "2026-03-02T08:00:00+08:00",
         "amount": "0.01"},
    ]  # fmt: skip
    write(
        place / "landing/account_events/arrived_on=2026-03-03/events.jsonl",
        json_lines(
            *({"owner_uin": HOSTILE[0], "operate_uin": HOSTILE[0], **event} for event in events)
        ),
    )
    days = {
        date(2026, 3, 11): [record(owner, owner_uin=owner, called_at="2026-03-10T10:00:00+08:00")
                            for owner in HOSTILE]
                           + [record("again", owner_uin=HOSTILE[0],
                                     called_at="2026-03-10T11:00:00+08:00")],
        date(2026, 4, 11): [record("april", called_at="2026-04-10T10:00:00+08:00")],
        date(2026, 5, 3): [record("may", called_at="2026-05-02T10:00:00+08:00")],
    }  # fmt: skip
    for day, records in days.items():
        write(place / f"landing/call_logs/arrived_on={day}/calls.jsonl", json_lines(*records))
    settle(place, date(2026, 5, 2))
    return place


def test_what_a_run_did_not_change_is_linked(nights: Path) -> None:
    def files() -> dict[str, int]:
        folder = site_of(nights) / "data" / str(FORMAT)
        return {
            path.relative_to(folder).as_posix(): path.stat().st_ino
            for path in folder.glob("*/*.js")
        }

    before = files()
    settle(nights, date(2026, 5, 3))
    after = files()
    linked = {name for name in before if after[name] == before[name]}
    assert {name.split("/")[0] for name in linked} == {"2026-03", "2026-04"}
    assert len([name for name in before if name.startswith("2026-03")]) > 3
    assert before.keys() - linked == {name for name in before if name.startswith("accounts")}
    # A late failure takes a call of March back: in a line of May, and from March's usage.
    late = record(HOSTILE[0], owner_uin=HOSTILE[0], called_at="2026-03-10T10:00:00+08:00",
                  error_code="InternalError")  # fmt: skip
    write(nights / "landing/call_logs/arrived_on=2026-05-04/calls.jsonl", json_lines(late))
    settle(nights, date(2026, 5, 4))
    last = files()
    written = {name for name in last if last[name] != after.get(name)}
    # Of the two months what is of this account, and their lists of bills.
    months_written = [name.split("/")[0] for name in written if not name.startswith("accounts")]
    assert sorted(months_written) == ["2026-03", "2026-03", "2026-05", "2026-05"]
    assert {"2026-03/bills.js", "2026-05/bills.js"} < written
    usage = accounts_given(nights, "2026-03")[HOSTILE[0]]["usage"]
    assert [row[3:] for row in usage] == [["2", "1", "1", "0"]]
    [line] = accounts_given(nights, "2026-05")[HOSTILE[0]]["lines"]
    assert line[3] == "correction"


def test_a_call_that_moves_to_another_month(tmp_path: Path) -> None:
    """Too old when it came, then delivered again with another time: it is shown where it counts."""
    calls = {
        date(2026, 5, 5): [record("moves", called_at="2026-01-15T10:00:00+08:00"),
                           record("stays", called_at="2026-01-15T10:00:00+08:00")],
        date(2026, 5, 6): [record("moves", called_at="2026-05-05T10:00:00+08:00")],
    }  # fmt: skip
    for day, records in calls.items():
        write(tmp_path / f"landing/call_logs/arrived_on={day}/calls.jsonl", json_lines(*records))
    received = []
    for day in calls:
        settle(tmp_path, day)
        [tables] = accounts_given(tmp_path, "2026-01").values()
        received.append(tables["usage"][0][3])
    assert received == ["2", "1"]


def test_accounts_of_any_name(nights: Path) -> None:
    assert set(HOSTILE) <= accounts_given(nights, "2026-03").keys()
    index = (site_of(nights) / "index.html").read_text(encoding="utf-8")
    # It owes money: the page is put together with its name.
    assert "&lt;img src=x onerror=alert(1)&gt;</a>" in index
    for page in site_of(nights).glob("*.html"):
        assert "<img src=x" not in page.read_text(encoding="utf-8")


def test_a_site_before_anything_was_billed(tmp_path: Path) -> None:
    write(
        tmp_path / "landing/call_logs/arrived_on=2026-03-02/calls.jsonl",
        json_lines(record("x", called_at="2026-03-01T10:00:00+08:00", error_code="InternalError")),
    )
    settle(tmp_path, date(2026, 3, 2))
    assert "No bill yet" in (site_of(tmp_path) / "index.html").read_text(encoding="utf-8")
    assert given(tmp_path, "2026-03/bills") == []


def test_a_run_says_where_its_site_is(sample_place: Path) -> None:
    ended = run_job(sample_place, "--through", SAMPLE_THROUGH)
    succeed(ended)
    assert f"{sample_place}/published/current/site/index.html" in ended.stdout
