"""The site as people see it: in Chromium, from disk and a web server, on a desk and on a phone.

Leaves pictures of the pages in `screenshots/`.
"""

from __future__ import annotations

import csv
import itertools
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import openpyxl
import pypdf
import pytest
from callbill.release.site.data import COLUMNS

from tests.support.commands import callbill, run_job, succeed
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import places, query
from tests.support.project import PROJECT
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once
from tests.support.site import HOSTILE, site_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
# A test has no use for what Chromium does in the background: it asks its maker for news.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
BILL = "bill.html#owner=100000000004&month=2026-09"
PAGES = {
    "overview": ("index.html", "#months-chart[style]"),
    "bills": ("bills.html", "#table-bills tbody tr"),
    "bill": (BILL, ".head .big"),
    "which": ("bill.html", "select[name=month]"),
    "reconciliation": ("reconciliation.html", "#table-reconciled tbody tr"),
    "vendor-bill": (
        "reconciliation.html#owner=100000000002&month=2026-09",
        ".head .big",
    ),
    "accounts": ("accounts.html", "#table-accounts tbody tr"),
    "account": ("account.html#owner=100000000008", "#table-months tbody tr"),
    "runs": ("runs.html", "#table-controls tbody tr"),
    "dictionary": ("dictionary.html", "iframe"),
    "checks": ("checks.html", "iframe"),
    "controls": ("controls/index.html", "body"),
    "dbt": ("dbt/index.html#!/model/model.callbill.bill_lines", "h1:has-text('bill_lines')"),
    "lineage": ("dbt/index.html#!/exposure/exposure.callbill.site", "h1:has-text('site')"),
}
# Pages of other programs.
OTHERS = ("controls", "dbt", "lineage")
# Of size, language and colours each pair is among these; the rest of them is `long`.
LOOKS = (
    ("desktop", "en", "light"),
    ("desktop", "zh", "dark"),
    ("phone", "en", "dark"),
    ("phone", "zh", "light"),
)
OTHER_LOOKS = [
    pytest.param(*look, marks=pytest.mark.long)
    for look in itertools.product(SIZES, LANGUAGES, ("light", "dark"))
    if look not in LOOKS
]
MANY = 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "Chromium is not installed: make test-browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, size: str = "desktop", language: str = "en", scheme: str = "light"
) -> Iterator[Page]:
    """A page in which nothing may go wrong: no word in the console, no request to elsewhere."""
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        locale=LANGUAGES[language],
        color_scheme="dark" if scheme == "dark" else "light",
    )
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file://", "http://127.0.0.1:", "data:", "blob:"))
            or wrong.append(request.url)
        ),
    )
    page.on(
        "requestfailed",
        # Whoever goes on to another page does not wait for the last one's picture.
        lambda request: (
            request.failure == "net::ERR_ABORTED" or wrong.append(f"failed: {request.url}")
        ),
    )
    yield page
    page.close()
    assert wrong == []


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe finds wrong: the rule, and where first. Not in the frames of others' pages. What is
    right it need not describe, which takes it longer than to look."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"iframes": False, "preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found]


@pytest.fixture(scope="module")
def crowded() -> Path:
    """A release of 10,000 accounts, some of them with names that mean harm."""
    owners = [*(str(200_000_000_000 + n) for n in range(MANY - len(HOSTILE))), *HOSTILE]

    def make(place: Path) -> None:
        write(
            place / "landing/call_logs/arrived_on=2026-03-11/calls.jsonl",
            json_lines(
                *(record(f"call {n}", owner_uin=owner, called_at="2026-03-10T10:00:00+08:00",
                         operate_uin=owner)
                  for n, owner in enumerate(owners))
            ),
        )  # fmt: skip
        succeed(run_job(place, "--through", "2026-03-11"))

    return make_once("crowded", make)


def address(place: Path, page: str, **values: str) -> str:
    return f"{site_of(place).as_uri()}/{page}{'#' if values else ''}{urlencode(values)}"


def shown(value: str) -> str:
    """A number as pages show it: thousands apart, a true minus."""
    return f"{Decimal(value):,f}".replace("-", "−")


def table(page: Page, name: str) -> list[dict[str, str]]:
    """The exact values that a table shows on all its pages, by column. Numbers are shown as people
    write them, with all their digits."""
    rows: list[dict[str, str]] = []
    while True:
        cells = page.eval_on_selector_all(
            f"#table-{name} tbody tr",
            """rows => rows.map(row => [...row.cells].map(cell =>
                [cell.dataset.column, cell.dataset.value, cell.innerText.trim(),
                 cell.classList.contains("number")]))""",
        )
        for row in cells:
            for column, value, text, is_number in row:
                if is_number and value and "%" not in value and column != "discount":
                    assert text.split()[0].lstrip("+") == shown(value), (column, value, text)
            rows.append({column: value for column, value, *_ in row})
        after = page.locator(f".scroll:has(#table-{name}) + .paging button[data-page=next]")
        if after.count() == 0 or after.is_disabled():
            return rows
        after.click()


def unfold(page: Page) -> None:
    """Unfold all that is folded, also within what is."""
    while True:
        folded = page.locator("details.fold:not([open]) > summary")
        if folded.count() == 0:
            return
        folded.first.click()


def lines(page: Page) -> list[dict[str, str]]:
    """The lines of a bill, which are in a table for each type."""
    names = page.eval_on_selector_all(
        "details[data-fold^=lines-]", "folds => folds.map(fold => fold.dataset.fold)"
    )
    return [row for name in names for row in table(page, name)]


def figure(page: Page, name: str) -> str:
    """The exact text of a figure."""
    found = page.locator(f"[data-figure='{name}']").first
    value = found.get_attribute("data-value")
    assert value is not None
    assert found.inner_text().lstrip("+") == shown(value)
    return value


@pytest.fixture(scope="module")
def simulation(sample_place: Path) -> Path:
    """The page of a simulation of the sample."""

    def make(folder: Path) -> None:
        arguments = ("--replace-contracts", "--var", "deduction_rounding=down")
        site = f"--site={folder / 'site'}"
        succeed(callbill("simulate", *places(sample_place), *arguments, site))

    return make_once("simulation", make) / "site" / "index.html"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
def test_the_page_of_a_simulation(
    browser: Browser, simulation: Path, size: str, language: str
) -> None:
    with opened(browser, size, language) as page:
        page.goto(simulation.as_uri())
        page.locator("#table-lines tbody tr").first.wait_for()
        bills = {(row["bill_month"], row["owner_uin"]): row for row in table(page, "bills")}
        # 595 calls at 0.06.
        bill = bills["2026-09", "100000000002"]
        assert (bill["deducted_amount"], bill["simulated_deducted_amount"]) == ("24.26", "35.70")
        assert bill["difference"] == "11.44"
        total = page.locator("[data-figure='difference']")
        changes = sum(Decimal(row["difference"]) for row in bills.values())
        assert total.inner_text() == f"+{changes}"
        assert len(table(page, "lines")) > 100
        asked = {"en": "without the contracts of the books", "zh": "不含原有合同"}
        assert page.get_by_text(asked[language]).count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        assert violations(page) == []


@pytest.mark.parametrize(
    ("size", "language", "scheme"),
    [*LOOKS, *OTHER_LOOKS],
)
def test_pages_from_disk(
    browser: Browser, sample_place: Path, size: str, language: str, scheme: str
) -> None:
    """In both languages, sizes and colours: nothing hangs over the side, axe finds nothing."""
    screenshots = PROJECT / "screenshots"
    screenshots.mkdir(exist_ok=True)
    with opened(browser, size, language, scheme) as page:
        for name, (place, wanted) in PAGES.items():
            if name in OTHERS and (size, language, scheme) != LOOKS[0]:
                continue
            page.goto("about:blank")
            page.goto(f"{site_of(sample_place).as_uri()}/{place}")
            page.locator(wanted).first.wait_for()
            if name == "dbt":
                assert page.locator("use[href*='#']").count() > 3  # its icons
            page.screenshot(
                path=screenshots / f"{name}-{size}-{language}-{scheme}.png",
                full_page=name not in ("dictionary", "checks", *OTHERS),
            )
            if name not in OTHERS:
                assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], name
                assert page.evaluate("document.documentElement.lang")[:2] == language
                assert violations(page) == [], name
                if size == "desktop":
                    wide = page.locator(".scroll").evaluate_all(
                        "all => all.filter(one => one.scrollWidth > one.clientWidth)"
                        ".map(one => one.ariaLabel)"
                    )
                    assert wide == [], name
                if name == "bill":
                    unfold(page)
                    assert violations(page) == []
                    # Ids of lines are whole.
                    cut = page.locator(".scroll, code.id").evaluate_all(
                        "all => all.filter(one => one.scrollWidth > one.clientWidth)"
                        ".map(one => one.outerHTML.slice(0, 100))"
                    )
                    assert cut == [] or size == "phone", name
                    assert page.locator("code.id").first.inner_text().isalnum()


def test_pages_in_chinese_have_no_english_sentence(browser: Browser, sample_place: Path) -> None:
    with opened(browser, language="zh") as page:
        for name, (place, wanted) in PAGES.items():
            if name not in (*OTHERS, "runs"):
                page.goto("about:blank")
                page.goto(f"{site_of(sample_place).as_uri()}/{place}")
                page.locator(wanted).first.wait_for()
                unfold(page)
                text = page.locator("main").inner_text()
                # Names of accounts are as the catalogue has them, commands and tables are code.
                without = re.sub(r"^.*[\u4e00-\u9fff].*$|`[^`]*`|duckdb .*", "", text, flags=re.M)
                words = set(re.findall(r"(?<![\w.])[A-Z][a-z]+ [a-z]+ [a-z]+", without))
                assert words == set(), (name, words)


def test_a_language_that_is_chosen_stays(browser: Browser, sample_place: Path) -> None:
    with served(site_of(sample_place)) as at, opened(browser) as page:
        page.goto(f"{at}/{BILL}")
        page.locator("h1:has-text('Bill for September 2026')").wait_for()
        page.get_by_role("button", name="中文").click()
        page.locator("h1:has-text('2026年9月账单')").wait_for()
        page.goto(f"{at}/index.html")
        page.locator("h1:has-text('截至 2026-10-02 的账单')").wait_for()
        page.get_by_role("button", name="English").click()
        page.locator("h1:has-text('Bills settled through')").wait_for()
        # Names that a table shows already, and those to choose from, change with it.
        page.goto(f"{at}/bills.html")
        page.locator("#table-bills tbody tr").first.wait_for()
        names, choices = [], []
        for language in ("中文", "English"):
            page.get_by_role("button", name=language).click()
            page.locator(f"html[lang={'zh-CN' if language == '中文' else 'en'}]").wait_for(
                state="attached"
            )
            names.append({row["product_name"] for row in table(page, "bills")})
            choices.append(page.locator("option[value=wimgs]").all_inner_texts())
        assert names == [{"联网图像搜索"}, {"Web image search"}]
        assert choices == [["联网图像搜索"], ["Web image search"]]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a web server shows a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def test_pages_from_a_web_server(browser: Browser, sample_place: Path) -> None:
    with served(site_of(sample_place)) as address, opened(browser) as page:
        for place, wanted in PAGES.values():
            page.goto(f"{address}/{place}")
            page.locator(wanted).first.wait_for()


def test_from_the_front_page_to_a_bill(browser: Browser, sample_place: Path) -> None:
    """By what links say alone."""
    with opened(browser) as page:
        page.goto(address(sample_place, "index.html"))
        assert page.locator("h1").inner_text() == "Bills settled through 2026-10-02"
        page.get_by_role("link", name="2026-08").first.click()
        page.locator("#table-bills").get_by_role("link", name="100000000001").click()
        page.locator(".head .big").wait_for()
        assert figure(page, "deducted_amount") == "0.24"
        assert page.locator("[data-state=payment]").inner_text() == "In arrears"
        owed = " ".join(page.locator("#owed").inner_text().split())
        assert owed == "Charged for August 2026; 0.04 CNY are still due on this account."
        assert "Suspended" in page.locator("main").inner_text()
        unfold(page)
        assert [row["real_cost"] for row in lines(page)] == ["0.24000000"]
        page.get_by_role("link", name="100000000001").first.click()
        page.locator("[data-figure=arrears]").wait_for()
        assert "0.04 CNY are due" in " ".join(
            page.locator("[data-figure=arrears]").inner_text().split()
        )


def test_the_overview_finds_an_account_by_name(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "index.html"))
        page.get_by_role("searchbox").fill("late contract")
        page.keyboard.press("Enter")
        page.locator("#table-accounts tbody tr").first.wait_for()
        assert [row["owner_uin"] for row in table(page, "accounts")] == ["100000000004"]


def test_a_bill_says_what_is_paid_and_how_far_its_month_is(
    browser: Browser, sample_place: Path
) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bill.html", owner="100000000008", month="2026-09"))
        page.locator(".head .big").wait_for()
        paid = page.locator("#owed").inner_text()
        assert paid == "Charged for September 2026; it has been paid."
        page.goto("about:blank")
        page.goto(address(sample_place, "bill.html", owner="100000000005", month="2026-10"))
        page.locator("#days-settled").wait_for()
        assert page.locator("#days-settled").inner_text() == "(2 of 31 days are settled.)"
        page.goto("about:blank")
        page.goto(address(sample_place, "bill.html", owner="100000000004", month="2026-07"))
        nothing = page.locator("#nothing")
        nothing.wait_for()
        assert "1 succeeded but cannot be billed: its records" in nothing.inner_text()
        nothing.get_by_role("link", name="Runs and controls").click()
        page.locator("h1").wait_for()


def test_a_bill_answers_what_people_ask(browser: Browser, sample_place: Path) -> None:
    """What account 4 owes for September, what changed against August, who spent most, and why the
    bill counts 231 calls and the month 227."""
    with opened(browser) as page:
        page.goto(address(sample_place, BILL))
        page.locator(".head .big").wait_for()
        head = page.locator(".head").inner_text()
        assert "12.45 CNY" in head
        assert "1.29 CNY less than in August 2026 (13.74 CNY)" in head
        parts = [figure(page, f"change-{part}") for part in ("calls", "discount", "adjustment")]
        assert parts == ["0.12000000", "-1.35975000", "-0.05025000"]
        assert sum(map(Decimal, parts)) == Decimal("-1.29")
        # That the bill counts two calls more hides that fewer were made: both are said.
        changed = page.locator("#calls-changed").inner_text()
        assert "229 → 231" in changed
        assert "233 → 227" in changed
        owed = page.locator("#owed").inner_text()
        assert "owes for September 2026" in owed
        assert owed.endswith("No payment of this account is known.")
        assert page.locator("#why li").all_inner_texts() == [
            "54.75 CNY per 1,000 calls = list price 60 × discount factor 0.9125, by the contract"
            " for calls since 28 August 2026.",
            "Re-rating on 4 September 2026: the contract became known after 43 calls of"
            " 28 August 2026 to 2 September 2026 had been charged. They moved from 60 to 54.75:"
            " −0.22575 CNY: −0.147 for 28 calls of earlier bills, −0.07875 for 15 calls of this"
            " month, which the rows below have at their new price. 28 of them are on earlier"
            " bills, which stay as they are.",
        ]
        assert "1 call of 29 August 2026, on an earlier bill, that turned out void" in (
            page.locator("#parts").inner_text()
        )
        unfold(page)
        assert page.locator("#calls-and-cost").count() == 0
        assert "of the cost before rounding" in page.locator("main").inner_text()
        assert figure(page, "sum-calls") == "231"
        assert "The bill counts 231 calls; 227 of the calls made in September" in (
            page.locator("#calls").inner_text()
        )
        steps = page.locator("table.calls td").evaluate_all(
            "cells => cells.map(cell => cell.dataset.value)"
        )
        assert steps == ["227", "5", "-1", "231"]
        assert page.locator(".taken").inner_text() == (
            "At 60 this bill charges 15 calls and takes 43 back that were charged before,"
            " 28 of them on earlier bills: −28 together. Re-rating charges them again at the new"
            " price."
        )
        compared = {row["figure"]: row for row in table(page, "compared")}
        assert compared["Deducted"]["change_value"] == "-1.29"
        page.goto(address(sample_place, "bill.html#owner=100000000005&month=2026-09"))
        page.locator("h1").wait_for()
        page.get_by_text("Most was spent by").wait_for()
        first = table(page, "callers")[0]
        assert (first["operate_uin"], first["real_cost"]) == ("100000000005", "7.86000000")


def test_a_price_that_was_agreed_and_one_that_ended(browser: Browser, sample_place: Path) -> None:
    """Each with the contract that gives it."""
    agreed = (
        "43.21098125 CNY per 1,000 calls is agreed, by the contract for calls since"
        " 16 August 2026; the list price is 60."
    )
    expected = {
        ("100000000003", "2026-08"): [
            "60 CNY per 1,000 calls is the list price, for calls of 1 to 15 August 2026.",
            agreed,
        ],
        ("100000000003", "2026-09"): [agreed],
        ("100000000002", "2026-09"): [
            "40.8243 CNY per 1,000 calls = list price 60 × discount factor 0.680405, by the"
            " contract for calls since 1 September 2026.",
            "51.3 CNY per 1,000 calls = list price 60 × discount factor 0.855, by the contract for"
            " calls from 1 August 2026 until before 1 September 2026.",
        ],
    }
    with opened(browser) as page:
        for (owner, month), sentences in expected.items():
            page.goto("about:blank")
            page.goto(address(sample_place, "bill.html", owner=owner, month=month))
            page.locator("#why li").first.wait_for()
            assert page.locator("#why li").all_inner_texts() == sentences


def test_a_change_that_has_one_cause_names_it(browser: Browser, sample_place: Path) -> None:
    """Neither a discount nor the precision adjustment changed: they are not said."""
    sentences = {
        "en": "The one cause is the calls, at list price: list cost +0.18000000.",
        "zh": "唯一的原因是调用（按刊例价）：原价 +0.18000000。",
    }
    for language, sentence in sentences.items():
        with opened(browser, language=language) as page:
            page.goto(address(sample_place, "bill.html", owner="100000000006", month="2026-09"))
            page.locator(".head .big").wait_for()
            assert page.locator("#made-of").inner_text() == sentence


def test_calls_that_are_taken_back_in_their_month(browser: Browser, sample_place: Path) -> None:
    """The row of the month's calls is what is left of them: it says of how many."""
    sentences = {
        "en": "590 charged, and 1 taken back in the same month",
        "zh": "计费 590 次，当月冲回 1 次",
    }
    for language, sentence in sentences.items():
        with opened(browser, language=language) as page:
            page.goto(address(sample_place, "bill.html", owner="100000000002", month="2026-09"))
            row = page.locator("#parts tr.part").first
            row.wait_for()
            assert row.locator("[data-figure=corrected]").inner_text() == sentence
            assert row.locator("[data-column=calls]").inner_text() == "589"


def test_a_contract_has_a_number(browser: Browser, sample_place: Path) -> None:
    """The same on the account's page and on the bill."""
    number = "100000000004/wimgs_search_by_text/2026-08-28"
    with opened(browser) as page:
        page.goto(address(sample_place, "account.html", owner="100000000004"))
        page.locator("#table-contracts tbody tr").first.wait_for()
        assert [row["contract_no"] for row in table(page, "contracts")] == [number]
        page.goto(address(sample_place, BILL))
        page.locator("#table-prices tbody tr").first.wait_for()
        assert page.locator("#table-prices .contract").all_inner_texts() == [f"contract {number}"]


def test_a_re_rating_takes_back_before_it_charges(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, BILL))
        page.locator("details[data-fold=lines-rerating] > summary").click()
        rows = table(page, "lines-rerating")
        assert len(rows) == 12
        for taken, charged in zip(rows[::2], rows[1::2], strict=True):
            assert taken["usage_date"] == charged["usage_date"]
            assert int(taken["calls"]) == -int(charged["calls"]) < 0
        # What is taken back of a discount has a sign, as what is given has.
        discount = page.locator("#parts tr[data-kind=correction] [data-column=discount_amount]")
        assert discount.inner_text() == "+0.00525000"


def test_names_and_units_are_in_the_language_of_the_page(
    browser: Browser, sample_place: Path
) -> None:
    names = {"en": ("Image search by text", "Web image search"), "zh": ("文搜图", "联网图像搜索")}
    for language, (component, product) in names.items():
        with opened(browser, language=language) as page:
            page.goto(address(sample_place, BILL))
            page.locator("#table-prices tbody tr").first.wait_for()
            unfold(page)
            assert {row["component_name"] for row in lines(page)} == {component}
            assert {row["product_name"] for row in table(page, "settlements")} == {product}
            text = page.locator("main").inner_text()
            assert not re.search("文搜图|联网图像搜索|千次", text) or language == "zh"


def test_a_bill_on_a_phone_has_the_list_cost_of_each_row(
    browser: Browser, sample_place: Path
) -> None:
    with opened(browser, "phone") as page:
        page.goto(address(sample_place, BILL))
        page.locator("#parts tr.part").first.wait_for()
        for column in ("list_cost", "discount_amount"):
            assert page.locator(f"#parts tr.part [data-column={column}]").first.is_visible()


def test_a_final_bill_leads_to_what_became_known_later(
    browser: Browser, sample_place: Path
) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bill.html", owner="100000000004", month="2026-08"))
        later = page.locator("#later")
        later.wait_for()
        [(calls, cost)] = query(
            sample_place,
            "select sum(calls), sum(real_cost) from billing.bill_lines where owner_uin ="
            " '100000000004' and usage_date < '2026-09-01' and bill_month = '2026-09-01'",
        )
        assert (calls, cost) == (4, Decimal("0.07200000"))
        assert later.locator("li").inner_text() == (
            "September 2026: Correction: −1 call, −0.05475 CNY;"
            " Late usage: +5 calls, +0.27375 CNY; Re-rating of 28 calls: −0.147 CNY;"
            " together +0.072 CNY"
        )
        assert page.locator("#why li").all_inner_texts() == [
            "60 CNY per 1,000 calls is the list price. A contract for calls since 28 August 2026"
            " became known on 4 September 2026: calls were re-rated on a later bill."
        ]
        unfold(page)
        assert page.locator("#calls-and-cost").inner_text() == (
            "Calls are as known now (233). Cost is what this bill charged (229 calls); the rest is"
            " on later bills."
        )
        walk = page.locator("table.calls tr").evaluate_all(
            "rows => rows.map(row => [...row.children].map(cell => cell.innerText).join(' '))"
        )
        assert walk[1:3] == [
            "Known late: not on this bill, charged on a later one −5",
            "Found void later: charged on this bill, taken back on a later one +1",
        ]
        later.get_by_role("link", name="September 2026").click()
        page.locator("h1:has-text('Bill for September 2026')").wait_for()
        assert page.locator("#later").count() == 0


def added(page: Page, selector: str, column: str) -> Decimal:
    values = page.locator(f"{selector} [data-column={column}]").evaluate_all(
        "cells => cells.map(cell => cell.dataset.value)"
    )
    return sum((Decimal(value) for value in values if value), Decimal(0))


def check_what_looks_like_a_sum(page: Page) -> int:
    """That columns with a last row of sums add up, and lists of bills from left to right. Returns
    how many sums were looked at."""
    sums = 0
    for name in page.locator("table:has(tfoot)").evaluate_all("all => all.map(one => one.id)"):
        rows = table(page, name.removeprefix("table-"))
        for cell in page.locator(f"#{name} tfoot td[data-value]:not([data-value=''])").all():
            column = cell.get_attribute("data-column") or ""
            total = sum(Decimal(row[column]) for row in rows)
            assert cell.get_attribute("data-value") == f"{total:f}", (page.url, name, column)
            sums += 1
    for name in page.locator("table:has([data-column=discount_amount])").evaluate_all(
        "all => all.filter(one => one.id.startsWith('table-')).map(one => one.id)"
    ):
        for row in table(page, name.removeprefix("table-")):
            cost = Decimal(row["list_cost"]) + Decimal(row["discount_amount"])
            assert cost == Decimal(row["rated_amount"]), (page.url, row)
            assert cost + Decimal(row["adjustment_amount"]) == Decimal(row["deducted_amount"])
            sums += 2
    return sums


def test_what_looks_like_a_sum_adds_up(browser: Browser, sample_place: Path) -> None:
    """On every bill and list: down each column, and from list cost by discount and precision
    adjustment to what is deducted."""
    bills = query(
        sample_place,
        "select owner_uin, strftime(bill_month, '%Y-%m') from billing.precision_adjustments"
        " order by all",
    )
    sums = 0
    with opened(browser) as page:
        for owner, month in bills:
            page.goto("about:blank")
            page.goto(address(sample_place, "bill.html", owner=owner, month=month))
            page.locator(".head .big").wait_for()
            unfold(page)
            figures = {name: Decimal(figure(page, f"sum-{name}")) for name in (
                "calls", "list_cost", "discount_amount", "rated_amount", "adjustment_amount",
                "deducted_amount",
            )}  # fmt: skip
            for column in ("calls", "list_cost", "discount_amount"):
                assert added(page, "#parts tr.part", column) == figures[column], (owner, month)
            assert added(page, "#parts tr.part", "real_cost") == figures["rated_amount"]
            assert figures["list_cost"] + figures["discount_amount"] == figures["rated_amount"]
            assert (
                figures["rated_amount"] + figures["adjustment_amount"] == figures["deducted_amount"]
            )
            walk = page.locator("table.calls td").evaluate_all(
                "cells => cells.map(cell => cell.dataset.value)"
            )
            assert not walk or sum(map(int, walk[:-1])) == int(walk[-1])
            if page.locator("#table-compared").count():
                rows = {row["figure"]: row for row in table(page, "compared")}
                for column in ("before_value", "this_value", "change_value"):
                    value = {name: Decimal(row[column]) for name, row in rows.items()}
                    cost = value["List cost"] + value["Discount"]
                    assert cost == value["Cost after discount"], (owner, month, column)
                    assert cost + value["Precision adjustment"] == value["Deducted"]
                for row in rows.values():
                    change = Decimal(row["this_value"]) - Decimal(row["before_value"])
                    assert change == Decimal(row["change_value"])
            sums += check_what_looks_like_a_sum(page)
        names = ("overview", "bills", "reconciliation", "vendor-bill")
        # Of an account that has discounts.
        account = ("account.html#owner=100000000002", "#table-months tbody tr")
        for place, wanted in (*(PAGES[name] for name in names), account):
            page.goto("about:blank")
            page.goto(f"{site_of(sample_place).as_uri()}/{place}")
            page.locator(wanted).first.wait_for()
            unfold(page)
            sums += check_what_looks_like_a_sum(page)
    assert sums > 100


def test_the_overview_ranks_callers_of_all_accounts(browser: Browser, sample_place: Path) -> None:
    """Ten by name; all others are one row, so that the rows make the bills of the month."""
    expected = query(
        sample_place,
        "select operate_uin, owner_uin, sum(calls)::varchar, sum(real_cost)::varchar"
        " from billing.cost_allocation where bill_month = '2026-09-01' group by all"
        " order by sum(real_cost) desc, owner_uin, operate_uin",
    )
    assert len(expected) == 12
    for language, others, sum_name in (
        ("en", "2 other callers", "Sum of 12 callers"),
        ("zh", "其他 2 个操作者", "合计 12 个操作者"),
    ):
        with opened(browser, language=language) as page:
            page.goto(address(sample_place, "index.html"))
            page.locator("#table-callers tbody tr").first.wait_for()
            columns = ("operate_uin", "owner_uin", "calls", "real_cost")
            found = [tuple(row[column] for column in columns) for row in table(page, "callers")]
            assert found[:10] == expected[:10]
            assert len(found) == 11
            assert page.locator("#table-callers").get_by_text(others).count() == 1
            [(rated,)] = query(
                sample_place,
                "select sum(rated_amount)::varchar from billing.monthly_bills"
                " where bill_month = '2026-09-01'",
            )
            sums = page.locator("#table-callers tfoot")
            assert sums.locator("th").inner_text() == sum_name
            assert sums.locator("[data-column=share]").inner_text() == "100.0%"
            total = sums.locator("[data-column=real_cost]")
            assert total.get_attribute("data-value") == rated


@pytest.fixture(scope="module")
def quantities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bill with a ladder, a package and a waiver."""
    place = tmp_path_factory.mktemp("quantities")
    project = ProjectCopy.in_folder(place / "project")
    for seed, rows in {
        "components": ["pages,pages,wimgs,1000,k,CNY/k"],
        "component_actions": ["ReadPage,pages,,"],
        "list_prices": [
            "pages,2026-01-01,2026-01-01,60,0,month",
            "pages,2026-01-01,2026-01-01,40,2,month",
        ],
    }.items():
        path = project.folder / "seeds" / f"{seed}.csv"
        path.write_text(path.read_text() + "".join(f"{row}\n" for row in rows))
    calls = [record(f"call {n}", owner_uin="1", action="ReadPage",
                    called_at="2026-08-20T10:00:00+08:00") for n in range(6)]  # fmt: skip
    write(place / "landing/call_logs/arrived_on=2026-08-21/calls.jsonl", json_lines(*calls))
    of = {"owner_uin": "1", "component_code": "pages"}
    terms = {
        "packages": {
            **of, "package_id": "P", "calls": 1,
            "valid_from": "2026-08-01", "valid_to": "2026-09-01",
        },
        "waivers": {
            **of, "waiver_id": "W", "usage_date": "2026-08-20", "calls": 1, "reason": "test",
        },
    }  # fmt: skip
    for feed, row in terms.items():
        write(place / f"landing/{feed}/arrived_on=2026-08-21/terms.csv", csv_file([row]))
    succeed(project.run_job(place, "--through", "2026-09-01"))
    return place


def test_a_bill_says_steps_packages_and_waivers(browser: Browser, quantities: Path) -> None:
    with opened(browser) as page:
        page.goto(address(quantities, "bill.html", owner="1", month="2026-08"))
        page.locator("#parts tr.part").first.wait_for()
        rows = page.locator("#parts tr.part").evaluate_all(
            "rows => rows.map(row => [row.children[1].innerText.replaceAll('\\n', ' ').trim(),"
            " row.querySelector('[data-column=calls]').dataset.value,"
            " row.querySelector('[data-column=real_cost]').dataset.value])"
        )
        assert sorted(rows) == [
            ["0 package P", "1", "0.00000000"],
            ["40 list price; after 2", "3", "0.12000000"],
            ["40 list price; after 2; waiver W: test", "-1", "-0.04000000"],
            ["60 list price; after 0", "2", "0.12000000"],
        ]
        assert figure(page, "sum-rated_amount") == "0.20000000"
        assert set(page.locator("#why li").all_inner_texts()) == {
            "Calls of the package P cost nothing here: they were paid for when it was bought.",
            "60 CNY/k (after 0) is the list price: no contract lowers it.",
            "40 CNY/k (after 2) is the list price: no contract lowers it.",
        }


def test_folded_titles_on_a_phone_say_their_figure(browser: Browser, sample_place: Path) -> None:
    with opened(browser, "phone") as page:
        page.goto(address(sample_place, BILL))
        page.locator(".head .big").wait_for()
        folded = page.locator("details.fold.level-2:not([open]) > summary")
        said = folded.evaluate_all(
            "all => all.map(one => [one.parentElement.dataset.fold,"
            " one.querySelector('.note')?.innerText.replaceAll('\\u00a0', ' ') ?? null])"
        )
        assert dict(said) == {
            "compared": "−1.29 CNY",
            "by-caller": "迟到合同客户 Late contract customer · 100.0%",
            "by-component": "54.75 CNY per 1,000 calls",
            "by-day": "227 billed, made in the month",
            "settlements": "deductions: 30",
        }


def test_from_a_bill_to_what_differs_in_the_vendors(browser: Browser, sample_place: Path) -> None:
    """By what links say alone; each figure is the mart's, and the parts make the difference."""
    with opened(browser) as page:
        page.goto(address(sample_place, "index.html"))
        page.locator("#table-reconciled").get_by_role("link", name="2026-09").click()
        page.locator("#table-reconciled tbody tr").first.wait_for()
        [listed] = table(page, "reconciled")
        assert (listed["cost_difference"], listed["result"]) == ("-0.32331200", "unexplained")
        page.goto(address(sample_place, "bill.html", owner="100000000002", month="2026-09"))
        sentence = page.locator("#vendor-bill").inner_text()
        assert "differs by −0.32331200 CNY" in " ".join(sentence.split())
        page.get_by_role("link", name="See why").click()
        page.locator("#table-differences tbody tr").first.wait_for()
        assert figure(page, "vendor_cost") == "23.93668800"
        columns = ("usage_date", "category", "vendor_calls", "vendor_cost", "cost_difference")
        expected = query(
            sample_place,
            f"select {', '.join(f'{column}::varchar' for column in columns)}"
            " from billing.reconciliation where category <> 'none'"
            " and bill_month = '2026-09-01' order by all",
        )
        found = [tuple(row[column] for column in columns) for row in table(page, "differences")]
        assert sorted(found) == expected
        steps = page.locator("table.steps [data-figure^=part-]").evaluate_all(
            "cells => cells.map(cell => [cell.dataset.figure, cell.dataset.value])"
        )
        parts = {name.removeprefix("part-"): Decimal(value) for name, value in steps}
        assert sum(parts.values()) - parts["theirs"] == parts["theirs"]
        assert parts["unexplained"] == Decimal("-0.24297420")
        unfold(page)
        [(agreeing,)] = query(
            sample_place,
            "select count(*) from billing.reconciliation where category = 'none'"
            " and bill_month = '2026-09-01'",
        )
        assert len(table(page, "agreeing")) == agreeing
        page.get_by_role("link", name="Our bill").click()
        page.locator("h1:has-text('Bill for September 2026')").wait_for()


def test_what_is_compared_with_a_bill_of_the_vendors(browser: Browser, sample_place: Path) -> None:
    """The vendor's bill of one month shows its precision adjustment, that of the other does not:
    both say what of ours stands beside it."""
    said = {
        ("2026-08", "en"): (
            "our cost after discount, before rounding",
            "The vendor's bill shows no precision adjustment, so ours is not compared",
        ),
        ("2026-09", "en"): (
            "our cost after discount with the precision adjustment",
            "our lines, 24.35331270, as settled when the vendor's bill arrived, and our precision"
            " adjustment, −0.09331270, since the vendor's bill shows one",
        ),
        ("2026-08", "zh"): (
            "优惠后总价（舍入前）",
            "厂商账单没有列出月度计费精度差异，故我方的不参与核对",
        ),
        ("2026-09", "zh"): (
            "优惠后总价（含月度计费精度差异）",
            "优惠后总价 24.35331270，加我方月度计费精度差异 −0.09331270（厂商账单列有此项）",
        ),
    }
    for (month, language), (base, ours) in said.items():
        with opened(browser, language=language) as page:
            page.goto(
                address(sample_place, "reconciliation.html", owner="100000000002", month=month)
            )
            page.locator("#base").wait_for()
            assert page.locator("#base").inner_text() == base
            assert ours in page.locator("table.steps th").first.inner_text()
            page.goto(address(sample_place, "bill.html", owner="100000000002", month=month))
            page.locator("#vendor-bill").wait_for()
            assert base in page.locator("#vendor-bill").inner_text()
    # Lists that may have both say so.
    with opened(browser) as page:
        for name in ("index.html", "reconciliation.html"):
            page.goto(address(sample_place, name))
            page.get_by_text("Where the vendor's bill shows a precision adjustment").wait_for()


def test_an_account_of_a_long_list_is_found(
    browser: Browser, crowded: Path, tmp_path: Path
) -> None:
    """Of a list that is not loaded as a whole: by any part of the number."""
    site = tmp_path / "site"
    shutil.copytree(site_of(crowded), site, ignore=shutil.ignore_patterns("dbt", "controls"))
    script = site / "assets" / "site.js"
    script.chmod(0o644)
    text = script.read_text(encoding="utf-8")
    assert "const FILES_AT_ONCE = 5;" in text
    script.write_text(text.replace("const FILES_AT_ONCE = 5;", "const FILES_AT_ONCE = 1;"))
    with opened(browser) as page:
        page.goto(f"{site.as_uri()}/accounts.html")
        page.locator("text=This list is long").wait_for()
        # Neither in the first file, nor what its number begins with.
        page.get_by_role("searchbox").fill("009987")
        page.locator("#table-accounts").get_by_role("link", name="200000009987").wait_for()
        assert page.locator("text=This list is long").count() == 0
        assert len(table(page, "accounts")) == 1
        page.goto(f"{site.as_uri()}/bills.html")
        page.locator("text=This list is long").wait_for()
        page.get_by_role("searchbox").fill("009987")
        page.locator("#table-bills").get_by_role("link", name="200000009987").click()
        page.locator(".head .big").wait_for()


def test_every_bill_shows_the_figures_of_the_marts(browser: Browser, sample_place: Path) -> None:
    bills = query(
        sample_place,
        "select owner_uin, strftime(bill_month, '%Y-%m'), rated_amount::varchar,"
        " deducted_amount::varchar, adjustment_amount::varchar, is_final::varchar"
        " from billing.precision_adjustments order by all",
    )
    assert len(bills) > 10
    with opened(browser) as page:
        for owner, month, rated, deducted, adjustment, is_final in bills:
            page.goto("about:blank")
            page.goto(address(sample_place, "bill.html", owner=owner, month=month))
            page.locator(".head .big").wait_for()
            assert figure(page, "sum-rated_amount") == rated
            assert figure(page, "deducted_amount") == deducted
            assert figure(page, "sum-adjustment_amount") == adjustment
            told = page.locator("#adjustment").inner_text()
            assert f"{shown(deducted)} − {shown(rated)} = {shown(adjustment)} CNY" in " ".join(
                told.split()
            )
            assert ("this is final" in told) == (is_final == "true")
            unfold(page)
            check_lines(page, sample_place, owner, month)
            check_table(page, sample_place, "settlements", "settlements", owner, month)
            check_callers(page, sample_place, owner, month)
            check_chart(page, sample_place, owner, month)


def check_lines(page: Page, place: Path, owner: str, month: str) -> None:
    columns = ("line_id", "usage_date", "settled_on", "calls", "contract_price", "real_cost")
    expected = query(
        place,
        f"select {', '.join(f'{column}::varchar' for column in columns)} from billing.bill_lines"
        f" where owner_uin = '{owner}' and bill_month = '{month}-01' order by all",
    )
    assert sorted(tuple(row[column] for column in columns) for row in lines(page)) == expected


def check_callers(page: Page, place: Path, owner: str, month: str) -> None:
    expected = query(
        place,
        "select operate_uin, sum(calls)::varchar, sum(real_cost)::varchar"
        f" from billing.cost_allocation where owner_uin = '{owner}'"
        f" and bill_month = '{month}-01' group by all order by all",
    )
    columns = ("operate_uin", "calls", "real_cost")
    found = sorted(tuple(row[column] for column in columns) for row in table(page, "callers"))
    assert found == expected


def check_table(page: Page, place: Path, name: str, mart: str, owner: str, month: str) -> None:
    found = table(page, name)
    columns = [column for column in found[0] if column in COLUMNS[name]]
    assert len(columns) > 3
    selected = ", ".join(f"{column}::varchar" for column in columns)
    expected = query(
        place,
        f"select {selected} from billing.{mart}"
        f" where owner_uin = '{owner}' and bill_month = '{month}-01' order by all",
    )
    assert sorted(tuple(row[column] for column in columns) for row in found) == expected
    sums = dict.fromkeys(("list_cost", "real_cost", "rated_amount", "residual_amount"), Decimal(0))
    added = [column for column in columns if column in sums]
    if len(found) > 1:
        for column in added:
            total = sum(Decimal(row[column]) for row in found)
            cell = page.locator(f"#table-{name} tfoot [data-column={column}]")
            assert cell.get_attribute("data-value") == f"{total:f}", column


def check_chart(page: Page, place: Path, owner: str, month: str) -> None:
    of_month = f"owner_uin = '{owner}' and date_trunc('month', usage_date) = '{month}-01'"
    if not query(place, f"from billing.daily_usage where {of_month}"):
        assert page.locator("text=No calls were made in").count() == 1
        return
    page.locator("#usage-chart[style]").wait_for()
    drawn: list[Any] = page.evaluate(
        "Chart.getChart('usage-chart').data.datasets.map(set => set.data)"
    )
    expected = {
        day: counts
        for day, *counts in query(
            place,
            "select day(usage_date), sum(calls_billed), sum(calls_failed), sum(calls_unbilled)"
            f" from billing.daily_usage where {of_month} group by usage_date",
        )
    }
    assert len(drawn[0]) in (30, 31)
    for at in range(len(drawn[0])):
        assert [counts[at] for counts in drawn] == expected.get(at + 1, [0, 0, 0])
    assert page.locator("#usage-chart").get_attribute("aria-label")


def test_bills_by_time_product_mode_and_account(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bills.html"))
        page.locator("#table-bills tbody tr").first.wait_for()
        page.get_by_label("From month").select_option("2026-08")
        page.get_by_label("To month").select_option("2026-09")
        page.locator("#table-bills tfoot").wait_for()
        [(count, deducted)] = query(
            sample_place,
            "select count(*), sum(deducted_amount)::varchar from billing.monthly_bills"
            " where bill_month in ('2026-08-01', '2026-09-01')",
        )
        assert len(table(page, "bills")) == count
        total = page.locator("#table-bills tfoot [data-column=deducted_amount]")
        assert total.get_attribute("data-value") == deducted
        page.get_by_label("Product").select_option("wimgs")
        page.get_by_label("Billing mode").select_option("postpay")
        assert len(table(page, "bills")) == count
        page.get_by_role("searchbox").fill("003")
        assert {row["owner_uin"] for row in table(page, "bills")} == {"100000000003"}
        # What is chosen is in the address, to be sent to somebody.
        chosen = page.url
        page.goto("about:blank")
        page.goto(chosen)
        page.locator("#table-bills tbody tr").first.wait_for()
        assert {row["bill_month"] for row in table(page, "bills")} == {"2026-08", "2026-09"}


def test_lines_of_some_days(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bill.html", owner="100000000003", month="2026-09"))
        page.locator("details[data-fold=filter] > summary").click()
        page.get_by_label("Used from").fill("2026-09-10")
        page.get_by_label("Used to").fill("2026-09-12")
        [(count, cost)] = query(
            sample_place,
            "select count(*), sum(real_cost)::varchar from billing.bill_lines where"
            " owner_uin = '100000000003' and bill_month = '2026-09-01'"
            " and usage_date between '2026-09-10' and '2026-09-12'",
        )
        page.locator("#table-lines-usage tfoot").wait_for()
        assert len(lines(page)) == count
        total = page.locator("#table-lines-usage tfoot [data-column=real_cost]")
        assert total.get_attribute("data-value") == cost
        page.get_by_label("Used from").fill("")
        page.get_by_label("Used to").fill("")
        page.get_by_role("combobox", name="Line").select_option("late_usage")
        page.locator("#table-lines-late_usage").wait_for()
        assert page.locator("details[data-fold^=lines-]").count() == 1


def test_what_is_shown_can_be_taken_along(
    browser: Browser, sample_place: Path, tmp_path: Path
) -> None:
    """As CSV and as a workbook, to the last digit."""
    with opened(browser) as page:
        page.goto(address(sample_place, BILL))
        page.locator("details[data-fold=settlements] > summary").click()
        rows = table(page, "settlements")
        fold = page.locator("details[data-fold=settlements]")
        for kind in ("csv", "xlsx"):
            with page.expect_download() as download:
                fold.locator(f"button[data-file={kind}]").click()
            name = download.value.suggested_filename
            assert name == f"callbill-2026-09-100000000004-settlements.{kind}"
            download.value.save_as(tmp_path / name)
            if kind == "csv":
                with (tmp_path / name).open(encoding="utf-8-sig", newline="") as stream:
                    found = list(csv.reader(stream))[1:]
                assert found == [list(row.values()) for row in rows]
            else:
                book = openpyxl.load_workbook(tmp_path / name)
                sheet = book["settlements"]
                assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", f"A1:E{len(rows) + 1}")
                assert sheet.print_title_rows == "$1:$1"
                cells = list(sheet.iter_rows(min_row=2, values_only=True))
                assert len(cells) == len(rows) + 1  # and their sum
                for cell, row in zip(cells, rows, strict=False):
                    numbers = [Decimal(str(value)) for value in cell[2:]]
                    assert numbers == [Decimal(value) for value in list(row.values())[2:]]
                assert str(cells[-1][3]) == "12.45"


def test_a_printed_bill_is_a_statement(
    browser: Browser, sample_place: Path, tmp_path: Path
) -> None:
    lengths = set()
    for language, title in (("en", "Bill for September 2026"), ("zh", "2026年9月账单")):
        with opened(browser, language=language) as page:
            page.goto(address(sample_place, BILL))
            page.locator(".head .big").wait_for()
            path = tmp_path / f"{language}.pdf"
            page.pdf(path=path, prefer_css_page_size=True)
            # On the screen it is as it was.
            assert page.locator("#table-lines-usage").count() == 0
        pages = pypdf.PdfReader(path).pages
        text = "\n".join(printed.extract_text() for printed in pages)
        assert title.replace(" ", "") in re.sub(r"\s", "", pages[0].extract_text())
        assert "2026-09/100000000004" in pages[0].extract_text()
        for number, printed in enumerate(pages, 1):
            assert f"{number} / {len(pages)}" in printed.extract_text()
        expected = Counter(
            shown(value)
            for row in query(
                sample_place,
                "select list_cost::varchar, real_cost::varchar from billing.bill_lines"
                " where owner_uin = '100000000004' and bill_month = '2026-09-01'",
            )
            for value in row
        )
        assert expected <= Counter(text.split()), language
        # The month before, each day, and how the account stands.
        words = {"en": ("Compared with August 2026", "The account now"),
                 "zh": ("与2026年8月对比", "账户状态")}[language]  # fmt: skip
        for word in words:
            assert re.sub(r"\s", "", word) in re.sub(r"\s", "", text)
        assert Counter(re.findall(r"2026-09-\d\d", text))["2026-09-30"] >= 2
        # No column is so narrow that its words are broken: both are of the same length.
        lengths.add(len(pages))
    assert len(lengths) == 1


def test_with_the_keyboard_alone(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "accounts.html"))
        page.locator("#table-accounts tbody tr").first.wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        while page.evaluate("document.activeElement.type") != "search":
            page.keyboard.press("Tab")
        page.keyboard.type("00000005")
        page.keyboard.press("Enter")
        page.locator("h1:has-text('100000000005')").wait_for()
        while page.evaluate("document.activeElement.textContent") != "2026-09":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator(".head .big").wait_for()
        # What the page shows is in its address, which the first link must leave as it is.
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        assert page.locator("h1:has-text('September 2026')").count() == 1
        while not page.locator("details[data-fold=lines-usage] > summary:focus").count():
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        while not page.locator("#table-lines-usage button:focus", has_text="Cost after").count():
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator("th[aria-sort=ascending]").wait_for()
        page.keyboard.press("Enter")
        page.locator("th[aria-sort=descending]").wait_for()
        costs = [Decimal(row["real_cost"]) for row in table(page, "lines-usage")]
        assert costs == sorted(costs, reverse=True)


def test_ten_thousand_accounts(browser: Browser, crowded: Path) -> None:
    with opened(browser) as page:
        page.goto(address(crowded, "accounts.html"))
        page.locator(f"text=1 to 50 of {MANY:,}").first.wait_for()
        page.get_by_role("searchbox").fill("200000007777")
        page.locator("#table-accounts").get_by_role("link", name="200000007777").click()
        page.locator("#table-months").get_by_role("link", name="2026-03").click()
        page.locator(".head .big").wait_for()
        unfold(page)
        assert [row["real_cost"] for row in lines(page)] == ["0.06000000"]
        page.goto(address(crowded, "bills.html"))
        page.locator(f"text=1 to 50 of {MANY:,}").first.wait_for()
        total = page.locator("#table-bills tfoot [data-column=deducted_amount]")
        assert total.get_attribute("data-value") == f"{MANY * Decimal('0.06'):f}"


@pytest.mark.parametrize("size", SIZES)
def test_hostile_names_stay_text(browser: Browser, crowded: Path, size: str) -> None:
    with opened(browser, size) as page:
        for owner in HOSTILE:
            page.goto("about:blank")
            page.goto(address(crowded, "accounts.html", account=owner))
            link = page.locator("#table-accounts").get_by_role("link", name=owner, exact=True)
            link.click()
            page.locator("#table-months tbody tr").first.wait_for()
            assert page.locator("h1").inner_text() == f"Account {owner}"
            page.locator("#table-months").get_by_role("link", name="2026-03").click()
            page.locator(".head .big").wait_for()
            unfold(page)
            assert [row["operate_uin"] for row in table(page, "usage")] == [owner]


def test_a_new_release_on_the_same_server(browser: Browser, tmp_path: Path) -> None:
    """A browser keeps what it loaded: the next release's figures must not be the last one's."""
    for day, calls in (("2026-03-02", 1), ("2026-03-03", 2)):
        records = [record(f"{day} {n}", called_at=f"2026-03-0{calls}T10:00:00+08:00")
                   for n in range(calls)]  # fmt: skip
        name = f"landing/call_logs/arrived_on={day}/calls.jsonl"
        write(tmp_path / name, json_lines(*records))
    with served(tmp_path / "published" / "current" / "site") as address, opened(browser) as page:
        for day, cost in (("2026-03-02", "0.06"), ("2026-03-03", "0.18")):
            succeed(run_job(tmp_path, "--through", day))
            for path in site_of(tmp_path).rglob("*.js"):
                os.utime(path, (0, 0))  # long ago: kept without asking
            page.goto(f"{address}/bills.html")
            total = page.locator("#table-bills td[data-column=deducted_amount]").first
            assert total.get_attribute("data-value") == cost


def test_addresses_of_nothing(browser: Browser, sample_place: Path) -> None:
    """Each says what it has not, and where to go on."""
    with opened(browser) as page:
        page.goto(address(sample_place, "bill.html"))
        page.get_by_label("Account").fill("100000000004")
        page.get_by_label("Bill month").select_option("2026-09")
        page.get_by_role("button", name="Show").click()
        page.locator(".head .big").wait_for()
        page.goto(address(sample_place, "bill.html", owner="__proto__", month="2026-09"))
        page.locator("text=knows no account __proto__").wait_for()
        page.goto(address(sample_place, "bill.html", owner="100000000001", month="2026-09"))
        page.locator("text=has no bill for September 2026 and made no calls").wait_for()
        page.get_by_role("link", name="← August 2026").click()
        page.locator(".head .big").wait_for()
        page.goto(address(sample_place, "bill.html", owner="100000000004", month="2026-07"))
        page.locator("text=Nothing was charged in July 2026. Calls made in it: 1.").wait_for()
        reason = page.locator("#nothing").inner_text()
        assert "1 succeeded but cannot be billed: its records came too late" in reason
        page.goto(address(sample_place, "account.html", owner="1"))
        page.locator("text=knows no account 1").wait_for()
        page.goto(address(sample_place, "account.html"))
        page.get_by_role("heading", name="Which account?").wait_for()
        page.locator("#nothing").get_by_role("link").click()
        page.locator("#table-accounts tbody tr").first.wait_for()
        page.goto(address(sample_place, "reconciliation.html", owner="1", month="2026-09"))
        page.locator("text=No bill of the vendor's is known of 1 for September 2026").wait_for()
        page.get_by_role("link", name="All of the vendor's bills").click()
        page.locator("#table-reconciled tbody tr").first.wait_for()
        page.goto(address(sample_place, "bills.html", **{"from": "x", "to": "<b>"}))
        page.locator("#table-bills tbody tr").first.wait_for()


def test_the_site_of_one_account(browser: Browser, sample_place: Path, tmp_path: Path) -> None:
    arguments = ("--format=site", "--owner=100000000005", f"--output={tmp_path}")
    succeed(callbill("export", *places(sample_place), *arguments))
    site = tmp_path / "callbill-site-100000000005"
    with opened(browser) as page:
        page.goto((site / "index.html").as_uri())
        page.locator("h1:has-text('100000000005')").wait_for()
        page.locator("#table-months").get_by_role("link", name="2026-09").click()
        page.locator(".head .big").wait_for()
        assert figure(page, "deducted_amount") == "27.54"
        assert page.locator("[href='bills.html'], [href='runs.html']").count() == 0
        unfold(page)
        page.get_by_role("link", name="100000000005").first.click()
        page.locator("#table-months").wait_for()


def test_no_file_of_a_page_is_large(crowded: Path) -> None:
    site = site_of(crowded)
    for path in [*site.glob("*.html"), *site.glob("data/**/*.js"), *site.glob("assets/*")]:
        assert path.stat().st_size < 1_000_000, path
