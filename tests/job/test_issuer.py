"""Who bills, as statements say it: a company that resells, and has a product of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pypdf
import pytest

from tests.support.commands import callbill
from tests.support.landing_files import json_lines, record, write
from tests.support.shared import make_once
from tests.support.site import facts_of, site_of

BOTH, ONE = "200000001001", "200000001002"
DAYS = ("2026-09-01", "2026-09-02")


def run(place: Path, *arguments: object) -> str:
    command, *more = arguments
    ended = callbill(command, f"--place={place}", *more)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def settled() -> Path:
    return make_once("issuers", make) / "acme"


@pytest.fixture
def place(settled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(settled, tmp_path / "acme", symlinks=True))


def make(folder: Path) -> None:
    place = folder / "acme"
    assert callbill("init", place).returncode == 0
    for name, text in (
        ("products", "photofix,照片修复"),
        *(
            ("components", f"{name},{name},photofix,100,百次,元/百次")
            for name in ("photofix_a", "photofix_z")
        ),
        *(("component_actions", f"{name},{name},,,") for name in ("photofix_a", "photofix_z")),
        *(
            ("list_prices", f"{name},2026-01-01,2026-01-01,8")
            for name in ("photofix_a", "photofix_z")
        ),
        ("focus_services", "photofix,AI and Machine Learning,Other,影栈科技,影栈科技"),
    ):
        with (place / f"catalogue/{name}.csv").open("a") as stream:
            stream.write(f"{text}\n")
    calls = [
        record(f"{action}-{day}", owner_uin=BOTH, called_at=f"{day}T10:00:00+08:00", action=action)
        for day in DAYS for action in ("SearchByText", "photofix_a", "photofix_z")
    ]  # fmt: skip
    calls.append(record("one", owner_uin=ONE, called_at=f"{DAYS[0]}T10:00:00+08:00"))
    write(place / "landing/call_logs/arrived_on=2026-09-03/calls.jsonl", json_lines(*calls))
    run(place, "run", "--through=2026-09-03")


def statements(place: Path) -> tuple[dict[str, str], str]:
    folder = place / "out"
    said = run(place, "export", "--month=2026-09", "--format=pdf", f"--output={folder}")
    return {
        owner: "\n".join(
            page.extract_text()
            for page in pypdf.PdfReader(folder / f"callbill-2026-09-{owner}.pdf").pages
        )
        for owner in (BOTH, ONE)
    }, said


@pytest.fixture(scope="module")
def usual(settled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    """Statements of a place that names no issuer."""
    folder = tmp_path_factory.mktemp("usual") / "acme"
    return statements(Path(shutil.copytree(settled, folder, symlinks=True)))


def issuers_of_pages(page: Path) -> set[str]:
    return {component["issuer"] for component in facts_of(page)["components"].values()}


def test_without_a_setting_those_who_issue_the_products_of_the_bill(
    settled: Path, usual: tuple[dict[str, str], str]
) -> None:
    pages, said = usual
    assert "Tencent Cloud, 影栈科技" in pages[BOTH]
    assert "影栈科技" not in pages[ONE]
    of_both, of_one = said.splitlines()
    assert of_both.endswith("rows; issuer Tencent Cloud, 影栈科技)")
    assert of_one.endswith("(1 rows; issuer Tencent Cloud)")
    assert issuers_of_pages(site_of(settled) / "bill.html") == {"Tencent Cloud", "影栈科技"}


def test_the_issuer_of_the_settings_is_who_bills(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (place / "callbill.toml").read_text()
    assert '#issuer = ""' in text
    (place / "callbill.toml").write_text(text.replace('#issuer = ""', 'issuer = "影栈科技"'))
    pages, said = statements(place)
    for owner in (BOTH, ONE):
        assert "影栈科技" in pages[owner]
        assert "Tencent Cloud" not in pages[owner]
    assert said.count("; issuer 影栈科技)") == 2
    site = run(place, "export", "--format=site", f"--owner={ONE}", f"--output={place}")
    path, _, issuer = site.strip().partition(" (")
    assert issuer == "issuer 影栈科技)"
    assert issuers_of_pages(Path(path).with_name("bill.html")) == {"影栈科技"}
    # A variable goes before the file, and the next release has it.
    monkeypatch.setenv("CALLBILL_ISSUER", "Yingzhan Ltd")
    write(
        place / "landing/call_logs/arrived_on=2026-09-04/calls.jsonl",
        json_lines(record("x", owner_uin=ONE, called_at="2026-09-03T10:00:00+08:00")),
    )
    run(place, "run", "--through=2026-09-04")
    assert issuers_of_pages(site_of(place) / "bill.html") == {"Yingzhan Ltd"}
    assert "Yingzhan Ltd" in statements(place)[0][ONE]
    assert os.environ["CALLBILL_ISSUER"] in run(place, "config")


def test_components_come_in_one_order_each_day(
    settled: Path, usual: tuple[dict[str, str], str]
) -> None:
    order = ["photofix_a", "photofix_z", "文搜图"]
    pages, _said = usual
    ids = run(settled, "bill", f"--owner={BOTH}", "--month=2026-09", "--ids")
    for text in (pages[BOTH], ids):
        found = [word for word in text.split() if word in order]
        in_lines = order * len(DAYS)
        assert found[-len(in_lines) :] == in_lines
