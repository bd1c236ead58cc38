"""The site of a release: what its pages show is what the marts say, and stays among themselves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from callbill.release.site.data import COLUMNS, LAST_ENTRIES, write_data
from callbill.release.site.pages import Facts, write_pages
from callbill.warehouse.warehouse import Warehouse

from tests.support import vendor_bills
from tests.support.commands import callbill, run_job, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import places, query
from tests.support.project import PROJECT
from tests.support.site import HOSTILE, data_of, facts_of, site_of

VENDOR = PROJECT / "pipelines" / "callbill" / "release" / "site" / "vendor"


def given(place: Path, name: str) -> Any:
    """What a script of the data folder gives."""
    text = (data_of(place) / f"{name}.js").read_text(encoding="utf-8")
    said = re.fullmatch(r"callbill\.give\((\"[^\"]+\"), (.*)\);\n", text, re.DOTALL)
    assert said, text[:100]
    assert json.loads(said[1]) == name
    return json.loads(said[2])


def given_list(place: Path, folder: str) -> list[list[str | None]]:
    """The rows of a month's bills, or of all accounts, from all files of the list."""
    firsts = json.loads((data_of(place) / folder / "list.json").read_text(encoding="utf-8"))
    parts = [given(place, f"{folder}/list-{number}") for number in range(len(firsts))]
    assert [part[0][0] for part in parts] == firsts
    return [row for part in parts for row in part]


def accounts_given(place: Path, folder: str) -> dict[str, dict[str, list[list[str | None]]]]:
    found: dict[str, dict[str, list[list[str | None]]]] = {}
    for path in sorted((data_of(place) / folder).glob("[0-9]*.js")):
        share = dict(given(place, f"{folder}/{path.stem}"))
        assert not share.keys() & found.keys()
        found |= share
    return found


def months(place: Path) -> list[str]:
    return sorted(path.name for path in data_of(place).iterdir() if path.name[0].isdigit())


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
        "callers": ("callers", "bill_month"),
        "later": ("later", "usage_month"),
    }
    callers = """(
        select owner_uin, bill_month, operate_uin, region, component_code,
            sum(calls)::bigint as calls, sum(list_cost) as list_cost, sum(real_cost) as real_cost
        from billing.cost_allocation group by all
    )"""
    # No price of the sample depends on how much.
    lines = "(select *, null as stands from billing.bill_lines)"
    later = """(
        select owner_uin, date_trunc('month', usage_date) as usage_month, bill_month, line_type,
            sum(calls)::bigint as calls,
            coalesce(sum(calls) filter (calls > 0), 0)::bigint as calls_charged,
            sum(real_cost) as real_cost
        from billing.bill_lines where bill_month > usage_month group by all
    )"""
    sources = {"callers": callers, "lines": lines, "later": later}
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
                f" from {sources.get(kind, f'billing.{mart}')}",
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
        assert given_list(sample_place, month) == list(expected)
    rows = [dict(zip(COLUMNS["accounts"], row, strict=True))
            for row in given_list(sample_place, "accounts")]  # fmt: skip
    known = query(
        sample_place,
        "select owner_uin from billing.daily_usage union"
        " select owner_uin from billing.account_ledger union"
        " select owner_uin from billing.service_status order by 1",
    )
    assert [row["owner_uin"] for row in rows] == [owner for (owner,) in known]
    [owing] = [row for row in rows if row["amount_due"] not in (None, "0.00")]
    assert owing == {
        "owner_uin": "100000000001",
        "account_name": "页面示例 Page example",
        "status": "suspended",
        "balance": "-0.04",
        "available": "-0.04",
        "amount_due": "0.04",
        "last_bill_month": "2026-08-01",
    }


def test_the_vendors_bills_are_given_as_they_are_compared(sample_place: Path) -> None:
    shown: list[list[str | None]] = []
    about = {}
    folders = sorted(data_of(sample_place).glob("reconciled-*"))
    for folder in folders:
        for owner, tables in accounts_given(sample_place, folder.name).items():
            shown += [[owner, *row] for row in tables["reconciled"]]
            [about[folder.name, owner]] = tables["vendor_bill"]
    expected = rows_of(
        sample_place, f"select owner_uin, {as_texts('reconciled')} from billing.reconciliation"
    )
    assert sorted(shown, key=str) == sorted(expected, key=str)
    # Of other products is one line. What was settled since is nothing.
    owner = "100000000002"
    assert about == {
        ("reconciled-2026-08", owner): ["2026-09-03", "0", "0.00000000", "0", "0.00000000"],
        ("reconciled-2026-09", owner): ["2026-10-02", "0", "0.00000000", "1", "0.00000000"],
    }
    [listed] = given_list(sample_place, "reconciled-2026-09")
    bill = dict(zip(COLUMNS["reconciled_bills"], listed, strict=True))
    assert (bill["owner_uin"], bill["cost_difference"]) == ("100000000002", "-0.32331200")
    assert (bill["unexplained_difference"], bill["differing"]) == ("-0.24297420", "8")
    assert set(str(bill["causes"]).split("+")) == {
        *("missing_here", "missing_there", "volume", "price", "rounding", "period", "unexplained")
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
        *("dictionary.html", "checks.html", "controls/index.html", "dbt/index.html"),
        "reconciliation.html",
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


def share_of(place: Path, owner: str) -> int:
    """The share of an account, by the rule that pages find it by."""
    shares: int = facts_of(site_of(place) / "index.html")["shares"]
    high, low = divmod(int.from_bytes(owner.encode()[-6:]), 2**32)
    return (low * 2_654_435_761 + high) % 4_294_967_291 % shares


def check_against_one_written_anew(place: Path, folder: Path) -> None:
    """What a release took over from the one before is what it would have written itself."""
    index = site_of(place) / "index.html"
    facts = facts_of(index)
    [data] = (site_of(place) / "data").iterdir()
    through = date.fromisoformat(facts["through"])
    anew = folder / facts["release"]
    with closing(Warehouse.open_read_only(place / "warehouse.duckdb")) as warehouse:
        written = write_data(warehouse.con, facts["zone"], anew)
        write_pages(
            warehouse.con,
            Facts(facts["release"], through, facts["zone"], facts["rounding"]),
            anew,
            written,
        )

    def files(root: Path) -> dict[str, str]:
        return {
            path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
            for path in root.rglob("*.js*")
        }

    assert files(data) == files(anew / "data" / data.name)
    assert facts == facts_of(anew / "index.html")


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


def test_what_a_run_did_not_change_is_linked(nights: Path, tmp_path: Path) -> None:
    """Also sums of months: those of a month whose bills or calls changed are asked for again, and
    those that set a month beside the one before if either changed. And months of FOCUS."""

    def sums() -> dict[str, int]:
        return {
            f"{name.split('/')[0]} {name.split('/')[1].split('-')[0]}": file
            for name, file in folder_of(nights, "2026-*/*-*.json").items()
        }

    before, sums_before = folder_of(nights, "*/*.js"), sums()
    assert set(sums_before) == {
        *("2026-03 totals", "2026-03 used", "2026-04 totals", "2026-04 used"),
        *("2026-04 changes", "2026-04 callers"),
    }
    settle(nights, date(2026, 5, 3))
    check_against_one_written_anew(nights, tmp_path)
    after, sums_after = folder_of(nights, "*/*.js"), sums()
    # May is new. It has not ended, so it is not set beside April.
    assert {name for name in sums_after if sums_after[name] != sums_before.get(name)} == {
        *("2026-05 totals", "2026-05 used")
    }
    linked = {name for name in before if after[name] == before[name]}
    assert {name.split("/")[0] for name in linked} == {"2026-03", "2026-04", "accounts"}
    assert len([name for name in before if name.startswith("2026-03")]) > 3
    # Of the accounts as they stand, those that nothing happened to.
    changed = {record("may")["owner_uin"], HOSTILE[0]}
    assert len([name for name in linked if name.startswith("accounts/")]) >= 3
    assert before.keys() - linked <= {
        "accounts/list-0.js",
        *(f"accounts/{share_of(nights, owner)}.js" for owner in changed),
        *(name for name in before if name.startswith("2026-05")),
    }
    focus = months_of_focus(nights)
    assert set(focus) == {f"bill_month=2026-0{n}-01" for n in (3, 4, 5)}
    # A late failure takes a call of March back: in a line of May, and from March's usage.
    late = record(HOSTILE[0], owner_uin=HOSTILE[0], called_at="2026-03-10T10:00:00+08:00",
                  error_code="InternalError")  # fmt: skip
    write(nights / "landing/call_logs/arrived_on=2026-05-04/calls.jsonl", json_lines(late))
    settle(nights, date(2026, 5, 4))
    check_against_one_written_anew(nights, tmp_path)
    last, sums_last = folder_of(nights, "*/*.js"), sums()
    written = {name for name in last if last[name] != after.get(name)}
    # Of the two months what is of this account, and the list of the month whose bills changed.
    months_written = [name.split("/")[0] for name in written if not name.startswith("accounts")]
    assert sorted(months_written) == ["2026-03", "2026-05", "2026-05"]
    assert "2026-05/list-0.js" in written
    usage = accounts_given(nights, "2026-03")[HOSTILE[0]]["usage"]
    assert [row[3:] for row in usage] == [["2", "1", "1", "0"]]
    [line] = accounts_given(nights, "2026-05")[HOSTILE[0]]["lines"]
    assert line[3] == "correction"
    assert {name for name in sums_last if sums_last[name] != sums_after.get(name)} == {
        *("2026-03 totals", "2026-03 used", "2026-05 totals", "2026-05 used", "2026-04 changes")
    }
    used = {
        row["usage_month"]: row
        for row in facts_of(site_of(nights) / "index.html")["tables"]["used"]
    }
    assert used["2026-03"]["calls_failed"] == "1"
    focus_last = months_of_focus(nights)
    assert {name for name in focus_last if focus_last[name] != focus[name]} == {
        "bill_month=2026-05-01"
    }
    files = f"read_parquet('{folder_of_focus(nights)}/*/*.parquet', hive_partitioning = false)"
    assert query(nights, f"from {files} order by all") == query(
        nights, "from billing.focus_cost_and_usage order by all"
    )
    # A night in which nothing came leaves all sums.
    settle(nights, date(2026, 5, 5))
    assert sums() == sums_last


def folder_of_focus(place: Path) -> Path:
    return place / "published" / "current" / "parquet" / "focus_cost_and_usage"


def months_of_focus(place: Path) -> dict[str, int]:
    return {
        path.parent.name: path.stat().st_ino for path in folder_of_focus(place).glob("*/*.parquet")
    }


MANY = [f"20000000{n:04d}" for n in range(40)]


def folder_of(place: Path, pattern: str) -> dict[str, int]:
    """Files of the site's data, to see which were written again."""
    folder = data_of(place)
    return {
        path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.glob(pattern)
    }


def test_contracts_and_bills_of_the_vendors_write_what_they_are_of(tmp_path: Path) -> None:
    """What was billed of March is on April's bill at another price: March's page leads there. The
    account's page has the contract, also one that reprices nothing. Bills of the vendor's come for
    old months, and again: what they do not change is linked."""
    write(
        tmp_path / "landing/call_logs/arrived_on=2026-03-11/calls.jsonl",
        json_lines(*(record(owner, owner_uin=owner, called_at="2026-03-10T10:00:00+08:00")
                     for owner in MANY)),
    )  # fmt: skip
    whole = vendor_bills.bill([vendor_bills.row(owner, "2026-03-10", 1) for owner in MANY])
    write(tmp_path / "landing/vendor_bills/arrived_on=2026-04-02/bill.csv", whole)
    settle(tmp_path, date(2026, 4, 2))
    contracts = {
        # Of March, and of next year.
        MANY[7]: ("2026-03-01", "0.90000000"),
        MANY[8]: ("2027-01-01", "0.80000000"),
    }
    of = {"component_code": "wimgs_search_by_text", "effective_to": None}
    rows = [
        {**of, "owner_uin": owner, "effective_from": effective_from, "discount": discount}
        for owner, (effective_from, discount) in contracts.items()
    ]
    write(tmp_path / "landing/contracts/arrived_on=2026-04-03/contracts.jsonl", json_lines(*rows))
    # The vendor's bill of March is held against what was billed of March.
    again = vendor_bills.bill([vendor_bills.row(MANY[9], "2026-03-10", 2)])
    write(tmp_path / "landing/vendor_bills/arrived_on=2026-04-03/again.csv", again)
    before = folder_of(tmp_path, "*/[0-9]*.js")
    reconciled = folder_of(tmp_path, "reconciled-2026-03/*.js")
    assert len(reconciled) > 5
    settle(tmp_path, date(2026, 4, 3))
    after = folder_of(tmp_path, "*/[0-9]*.js")
    repriced, later, differs = (share_of(tmp_path, owner) for owner in MANY[7:10])
    assert len({repriced, later, differs}) == 3
    assert {name for name in after if after[name] != before.get(name)} == {
        *(f"{folder}/{repriced}.js" for folder in ("accounts", "2026-03", "2026-04")),
        f"accounts/{later}.js",
        f"reconciled-2026-03/{differs}.js",
    }
    accounts = accounts_given(tmp_path, "accounts")
    for owner, (effective_from, discount) in contracts.items():
        [row] = accounts[owner]["contracts"]
        assert dict(zip(COLUMNS["contracts"], row, strict=True)) == {
            "component_code": "wimgs_search_by_text",
            "effective_from": effective_from,
            "effective_to": None,
            "known_from": "2026-04-03",
            "known_to": None,
            "discount": discount,
            "contract_price": None,
        }
    assert accounts_given(tmp_path, "2026-03")[MANY[7]]["later"] == [
        ["2026-04-01", "rerating", "0", "1", "-0.00600000"]
    ]
    last = folder_of(tmp_path, "reconciled-2026-03/*.js")
    assert "reconciled-2026-03/list-0.js" in {n for n in last if last[n] != reconciled[n]}
    [row] = accounts_given(tmp_path, "reconciled-2026-03")[MANY[9]]["reconciled"]
    assert dict(zip(COLUMNS["reconciled"], row, strict=True))["vendor_calls"] == "2"


def test_a_call_that_moves_to_another_month(tmp_path: Path) -> None:
    """Too old when it came, then delivered again with another time: it is shown where it counts."""
    january, december = "2026-01-15T10:00:00+08:00", "2025-12-15T10:00:00+08:00"
    may = "2026-05-05T10:00:00+08:00"
    calls = {
        date(2026, 5, 5): [record("moves", called_at=january),
                           record("stays", called_at=january),
                           record("alone", called_at=december)],
        date(2026, 5, 6): [record("moves", called_at=may), record("alone", called_at=may)],
    }  # fmt: skip
    for day, records in calls.items():
        write(tmp_path / f"landing/call_logs/arrived_on={day}/calls.jsonl", json_lines(*records))
    received, shown = [], []
    for day in calls:
        settle(tmp_path, day)
        check_against_one_written_anew(tmp_path, tmp_path / "anew")
        [tables] = accounts_given(tmp_path, "2026-01").values()
        received.append(tables["usage"][0][3])
        shown.append(months(tmp_path))
    assert received == ["2", "1"]
    # December has nothing then, and is no month of the site.
    assert shown == [["2025-12", "2026-01"], ["2026-01", "2026-05"]]


def test_accounts_of_any_name(nights: Path) -> None:
    assert set(HOSTILE) <= accounts_given(nights, "2026-03").keys()
    index = (site_of(nights) / "index.html").read_text(encoding="utf-8")
    # It owes money: the page has its name among its facts, as a text that closes nothing.
    assert "\\u003cimg src=x onerror=alert(1)\\u003e" in index
    for page in site_of(nights).glob("*.html"):
        assert "<img src=x" not in page.read_text(encoding="utf-8")


def test_a_site_before_anything_was_billed(tmp_path: Path) -> None:
    """The run says where it is."""
    write(
        tmp_path / "landing/call_logs/arrived_on=2026-03-02/calls.jsonl",
        json_lines(record("x", called_at="2026-03-01T10:00:00+08:00", error_code="InternalError")),
    )
    ended = run_job(tmp_path, "--through", "2026-03-02")
    succeed(ended)
    assert f"{tmp_path}/published/current/site/index.html" in ended.stdout
    assert facts_of(site_of(tmp_path) / "index.html")["tables"]["totals"] == []
    assert given_list(tmp_path, "2026-03") == []


TEXTS = PROJECT / "pipelines" / "callbill" / "release" / "site"


def test_everything_is_said_in_both_languages() -> None:
    texts = yaml.safe_load((TEXTS / "texts.yml").read_text(encoding="utf-8"))
    scripts = "".join(path.read_text(encoding="utf-8") for path in (TEXTS / "assets").glob("*.js"))
    for key, (english, chinese) in texts.items():
        names = [set(re.findall(r"\{(\w+)\}", text)) for text in (english, chinese)]
        assert names[0] == names[1], key
        # What is said of one call, where it has its own words.
        assert f'"{key.removesuffix("_one")}"' in scripts, f"{key} is said nowhere"
        assert english != chinese, key
    assert set(re.findall(r'\bt\("(\w+)"', scripts)) <= texts.keys()
    counted = set(re.findall(r'\btOf\([^"()]*, "(\w+)"', scripts))
    assert counted
    assert counted | {f"{key}_one" for key in counted} <= texts.keys()
    terms = yaml.safe_load((TEXTS / "terms.yml").read_text(encoding="utf-8"))
    for name, term in terms.items():
        english, chinese, about, about_in_chinese = term
        assert chinese and english, name
        assert bool(about) == bool(about_in_chinese), name
    columns = {column for columns in COLUMNS.values() for column in columns}
    assert columns - {"account_uin"} <= terms.keys()


def test_every_control_has_a_chinese_sentence() -> None:
    controls = yaml.safe_load(
        (PROJECT / "pipelines/callbill/quality/controls/_controls.yml").read_text(encoding="utf-8")
    )
    sentences = yaml.safe_load((TEXTS / "sentences.yml").read_text(encoding="utf-8"))
    assert sentences.keys() == {control["id"] for control in controls}


def test_the_site_of_one_account_has_nothing_of_others(sample_place: Path, tmp_path: Path) -> None:
    owner, others = "100000000005", [f"10000000000{n}" for n in (1, 2, 3, 4, 6, 7, 8)]
    arguments = ("--format=site", f"--owner={owner}", f"--output={tmp_path}")
    ended = callbill("export", *places(sample_place), *arguments)
    succeed(ended)
    site = tmp_path / f"callbill-site-{owner}"
    assert ended.stdout == f"{site / 'index.html'}\n"
    for path in site.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert [other for other in others if other in text] == [], path
            assert "迟到合同客户" not in text, path
    assert {path.name for path in site.glob("*.html")} == {
        *("index.html", "bill.html", "reconciliation.html")
    }
    # It has no bill of the vendor's; another account has.
    assert list((site / "data").glob("*/reconciled-*")) == []
    # What is there is what the whole site has of the account.
    whole = json.loads(json.dumps(accounts_given(sample_place, "2026-09")[owner]))
    [script] = (site / "data").glob("*/2026-09/[0-9]*.js")
    given_value = script.read_text(encoding="utf-8").partition(", ")[2].removesuffix(");\n")
    assert json.loads(given_value) == [[owner, whole]]
    # Again, over what is there.
    succeed(callbill("export", *places(sample_place), *arguments))
    assert [path.name for path in tmp_path.iterdir()] == [site.name]


def test_the_site_of_one_account_has_its_vendors_bill(sample_place: Path, tmp_path: Path) -> None:
    owner = "100000000002"
    arguments = ("--format=site", f"--owner={owner}", f"--output={tmp_path}")
    succeed(callbill("export", *places(sample_place), *arguments))
    [script] = (tmp_path / f"callbill-site-{owner}" / "data").glob("*/reconciled-2026-09/[0-9]*.js")
    given_value = script.read_text(encoding="utf-8").partition(", ")[2].removesuffix(");\n")
    whole = accounts_given(sample_place, "reconciled-2026-09")[owner]
    assert json.loads(given_value) == [[owner, json.loads(json.dumps(whole))]]


def test_the_site_of_one_account_needs_an_account(sample_place: Path, tmp_path: Path) -> None:
    for arguments, sentence in (
        ((), "--format site needs --owner"),
        (("--owner=1", "--month=2026-09"), "leave --month out"),
        (("--owner=1",), "knows no account 1"),
    ):
        ended = callbill(
            "export", *places(sample_place), "--format=site", f"--output={tmp_path}", *arguments
        )
        assert ended.returncode == 2
        assert sentence in ended.stderr
