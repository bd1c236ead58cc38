"""A statement as PDF, with ReportLab: A4, both languages, page numbers.

A statement contains the letters that it uses, of Latin and of Chinese. Those of Chinese are from
fonts/NotoSansSC-GB2312.ttf; a rare one that is not in it, such as in a name, is of a font that PDF
viewers have (STSong-Light, Adobe's collection GB1).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import timedelta
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callbill.queries.export.statement import Statement, amount
from callbill.release.site.pages import terms, texts

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

# What the fonts of this module have not, or Chinese has another form of.
_CHINESE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\ufe30-\uffef\u3000-\u303f]+")
_LATIN, _BOLD, _HAN, _RARE = "Vera", "VeraBd", "NotoSansSC", "STSong-Light"
# So much of a line's id tells it from others.
_ID_LETTERS = 8
_HAN_FILE = Path(__file__).parent / "fonts" / "NotoSansSC-GB2312.ttf"


def write_statement(statement: Statement, path: Path) -> None:
    """Write a statement. The same statement gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    document = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        leftMargin=14 * mm,
        rightMargin=14 * mm,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=f"callbill {statement.number}",
        author=statement.bill["issuer"],
        invariant=1,
    )
    document.build(_story(statement), canvasmaker=_numbered_canvas(statement))


def _register_fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    if _HAN not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(_LATIN, "Vera.ttf"))
        pdfmetrics.registerFont(TTFont(_BOLD, "VeraBd.ttf"))
        pdfmetrics.registerFontFamily(_LATIN, normal=_LATIN, bold=_BOLD)
        pdfmetrics.registerFont(TTFont(_HAN, str(_HAN_FILE)))
        pdfmetrics.registerFont(UnicodeCIDFont(_RARE))


def _numbered_canvas(statement: Statement) -> type:
    """A canvas that knows how many pages there are when it writes their numbers."""
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    class NumberedCanvas(Canvas):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            # Otherwise each page names a font that is not in the file.
            super().__init__(*arguments, **options | {"initialFontName": _LATIN})
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802  ReportLab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                self.setFont(_LATIN, 7)
                left = f"{statement.number} · settled through {statement.through}"
                self.drawString(14 * mm, 10 * mm, f"{left} · release {statement.run_id}")
                self.drawRightString(196 * mm, 10 * mm, f"{number} / {len(self._pages)}")
                super().showPage()
            super().save()

    return NumberedCanvas


def _story(statement: Statement) -> list[Flowable]:
    from reportlab.lib.units import mm
    from reportlab.platypus import Spacer

    bill, month = statement.bill, statement.month
    last_day = month.replace(day=monthrange(month.year, month.month)[1])
    state = ("Final", "已出账") if bill["is_final"] else ("Open", "未出账")
    facts = [
        [_both("Account", "支付者"), _text(f"{statement.owner} {bill['account_name'] or ''}")],
        [_both("Issuer", "出账方"), _text(bill["issuer"])],
        [_both("Statement", "账单编号"), _text(statement.number)],
        [_both("Period", "计费周期"), _text(f"{month} – {last_day}")],
        [_both("State", "状态"), _both(*state)],
    ]
    steps = [
        [_term("calls"), amount(bill["calls"])],
        [_term("list_cost"), amount(bill["list_cost"])],
        [_term("discount_amount"), amount(-bill["discount_amount"])],
        [_term("rated_amount"), amount(bill["rated_amount"])],
        [_term("adjustment_amount"), amount(bill["adjustment_amount"])],
        [_term("deducted_amount"), amount(bill["deducted_amount"])],
    ]
    return [
        _text(f"{month:%B %Y} · {month.year}年{month.month}月账单", size=15, bold=True),
        Spacer(1, 4 * mm),
        _both("Deducted", "扣费金额"),
        Spacer(1, 1 * mm),
        _text(f"{amount(bill['deducted_amount'])} CNY", size=22, bold=True),
        Spacer(1, 2 * mm),
        _both("Charged for the month, whether paid or not", "当月的扣费，不论是否已支付"),
        Spacer(1, 5 * mm),
        _table(facts, [38, 144], numbers_from=None),
        _heading("How the amount is made up", "金额构成"),
        _table(steps, [70, 45], numbers_from=1, is_sum=True),
        _heading("By component and price", "按组件与价格"),
        *_prices(statement),
        *_compared(statement),
        _heading("By caller", "按操作者"),
        _callers(statement),
        _heading("By day", "按日"),
        *_days(statement),
        _heading("Lines", "账单明细"),
        *_lines(statement),
        _heading("Settlements", "日结扣费"),
        _settlements(statement),
        *_standing(statement),
    ]


def _prices(statement: Statement) -> list[Flowable]:
    """What the calls cost each, and by which contract: why the amount is what it is."""
    rows: list[list[Any]] = []
    for row in statement.prices:
        since = row["contract_from"]
        number = f"{statement.owner}/{row['component_code']}/{since}"
        contract = f" · contract 合同 {number}" if since else ""
        name = " ".join(
            dict.fromkeys(terms().get(row["component_name"], [row["component_name"]])[:2])
        )
        rows.append(
            [_text(name + contract, size=7),
             str(row["first_usage_date"]), str(row["last_usage_date"]),
             amount(row["list_price"]),
             "–" if row["discount"] is None else amount(row["discount"]),
             amount(row["contract_price"]), amount(row["calls"]), amount(row["real_cost"])]
        )  # fmt: skip
    bill = statement.bill
    rows.append(["", "", "", "", "", "", amount(bill["calls"]), amount(bill["rated_amount"])])
    columns = (
        *("component_name", "first_usage_date", "last_usage_date", "list_price", "discount"),
        *("contract_price", "calls", "real_cost"),
    )
    prices: list[Flowable] = [
        _table(rows, [42, 18, 18, 24, 20, 24, 14, 22], 3, columns=columns, is_sum=True)
    ]
    if any(row["calls"] < 0 for row in statement.prices):
        prices += [
            _text("Negative calls were charged before, and are taken back here. Re-rating charges"
                  " them again at the new price.", size=7),
            _text("负的次数是以前已计费、在本账单冲回的调用；调账按新单价重新计费。", size=7),
        ]  # fmt: skip
    return prices


def _compared(statement: Statement) -> list[Flowable]:
    """The bill beside that of the month before, if there is one."""
    bill, before = statement.bill, statement.before
    if before is None:
        return []
    names = {"calls_of_month": "calls_made_in_month", "calls": "calls_of_the_bill"}
    rows: list[list[Any]] = []
    for name in (
        *("calls_of_month", "calls", "list_cost", "discount_amount", "rated_amount"),
        *("adjustment_amount", "deducted_amount"),
    ):
        then, now = before[name], bill[name]
        if name == "discount_amount":
            then, now = -then, -now
        title = _text(" ".join(texts()[names[name]]), size=7) if name in names else _term(name)
        rows.append([title, amount(then), amount(now), amount(now - then, signed=True)])
    month = (statement.month - timedelta(days=1)).replace(day=1)
    columns = ("figure", "before_value", "this_value", "change_value")
    return [
        _heading(f"Compared with {month:%B %Y}", f"与{month.year}年{month.month}月对比"),
        _table(rows, [72, 36, 36, 38], 1, columns=columns),
        _text("Change: this month less the month before. 变化：本月减上月。", size=7),
    ]


def _days(statement: Statement) -> list[Flowable]:
    """The calls of each day and their cost on this bill, and how both may differ from it."""
    columns = ("usage_date", "calls_billed", "calls_failed", "calls_unbilled", "real_cost")
    rows: list[list[Any]] = [
        [str(row["usage_date"]), *(amount(row[column]) for column in columns[1:])]
        for row in statement.days
    ]
    sums = {column: sum(row[column] for row in statement.days) for column in columns[1:]}
    rows.append(["", *map(amount, sums.values())])
    parts: list[Flowable] = [_table(rows, [36, 34, 34, 34, 44], 1, columns=columns, is_sum=True)]
    earlier = statement.bill["rated_amount"] - sums["real_cost"]
    if earlier:
        parts += _sentences("without_earlier_months", cost=amount(earlier))
    days = {row["usage_date"] for row in statement.days}
    charged = sum(
        row["calls"]
        for row in statement.lines
        if row["usage_date"] in days and row["waiver_id"] is None
    )
    if charged != sums["calls_billed"]:
        parts += [
            _text(f"{amount(sums['calls_billed'])} calls are known now, {amount(charged)} were"
                  " charged on this bill: the rest is on later bills.", size=7),
            _text(f"目前所知 {amount(sums['calls_billed'])} 次，本账单计费 {amount(charged)}"
                  " 次，其余在后续账单。", size=7),
        ]  # fmt: skip
    return parts


def _standing(statement: Statement) -> list[Flowable]:
    """How the account stands: known of accounts whose payments are."""
    standing = statement.standing
    if standing is None:
        return []
    columns = [
        name for name in ("balance", "available", "amount_due") if standing[name] is not None
    ]
    rows = [
        [_term("status"), _term(standing["status"], right=True)],
        *([_term(name), amount(standing[name])] for name in columns),
    ]
    through = statement.through
    return [
        _heading(f"The account on {through}", f"{through} 的账户状态"),
        _table(rows, [70, 45], 1),
    ]


def _sentences(key: str, **values: str) -> list[Flowable]:
    """A sentence of the pages, in both languages."""
    return [_text(text.format(**values), size=7) for text in texts()[key]]


def _callers(statement: Statement) -> Flowable:
    rows: list[list[Any]] = [
        [_text(f"{row['operate_uin']} {row['account_name'] or ''}", size=7.5),
         amount(row["calls"]), amount(row["list_cost"]), amount(row["real_cost"])]
        for row in statement.callers
    ]  # fmt: skip
    columns = ("operate_uin", "calls", "list_cost", "real_cost")
    return _table(rows, [72, 25, 42, 43], numbers_from=1, columns=columns)


def _lines(statement: Statement) -> list[Flowable]:
    """A table for each type of line, with its sums."""
    columns = (
        *("usage_date", "settled_on", "component_name", "calls", "list_price", "discount"),
        *("contract_price", "list_cost", "real_cost", "line_id"),
    )
    tables: list[Flowable] = []
    for line_type, of_type in groupby(statement.lines, lambda row: str(row["line_type"])):
        lines = list(of_type)
        rows: list[list[Any]] = [
            [str(row["usage_date"]), str(row["settled_on"]), _text(row["component_name"], size=7),
             amount(row["calls"]), amount(row["list_price"]),
             "–" if row["discount"] is None else amount(row["discount"]),
             amount(row["contract_price"]), amount(row["list_cost"]), amount(row["real_cost"]),
             row["line_id"][:_ID_LETTERS]]
            for row in lines
        ]  # fmt: skip
        calls, list_cost, real_cost = (
            amount(sum(row[column] for row in lines))
            for column in ("calls", "list_cost", "real_cost")
        )
        rows.append(["", "", "", calls, "", "", "", list_cost, real_cost, ""])
        widths = [17.5, 17.5, 17, 13, 20, 17.5, 20, 21.5, 21.5, 16.5]
        tables += [_term(line_type), _table(rows, widths, 3, columns=columns, is_sum=True)]
    tables += [
        _text(f"Line ids are shown by their first {_ID_LETTERS} characters, which callbill explain"
              " takes.", size=7),
        _text(f"明细ID显示前 {_ID_LETTERS} 位，可用于 callbill explain。", size=7),
    ]  # fmt: skip
    return tables


def _settlements(statement: Statement) -> Flowable:
    rows: list[list[Any]] = [
        [str(row["settled_on"]), _text(row["product_name"], size=7.5),
         amount(row["rated_amount"]), amount(row["deducted_amount"]),
         amount(row["residual_amount"])]
        for row in statement.settlements
    ]  # fmt: skip
    bill = statement.bill
    sums = ("rated_amount", "deducted_amount", "adjustment_amount")
    rows.append(["", "", *(amount(bill[column]) for column in sums)])
    columns = ("settled_on", "product_name", "rated_amount", "deducted_amount", "residual_amount")
    return _table(rows, [28, 52, 36, 30, 36], 2, columns=columns, is_sum=True)


def _table(
    rows: list[list[Any]],
    widths: Sequence[float],
    numbers_from: int | None,
    *,
    columns: tuple[str, ...] = (),
    is_sum: bool = False,
) -> Flowable:
    """Rows, with headings that are repeated on each page; with `is_sum` the last row is one."""
    from reportlab.lib import colors
    from reportlab.lib.units import mm
    from reportlab.platypus import Table, TableStyle

    commands: list[Any] = [
        ("FONT", (0, 0), (-1, -1), _LATIN, 7),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#cfd6e0")),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    if numbers_from is not None:
        commands.append(("ALIGN", (numbers_from, 0), (-1, -1), "RIGHT"))
    if columns:
        commands.append(("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#f2f4f8")))
        right = len(columns) if numbers_from is None else numbers_from
        rows = [[_term(column, right=n >= right) for n, column in enumerate(columns)], *rows]
    if is_sum:
        commands += [
            ("FONT", (0, -1), (-1, -1), _BOLD, 7),
            ("LINEABOVE", (0, -1), (-1, -1), 0.8, colors.black),
        ]
    table = Table(
        rows, [width * mm for width in widths], repeatRows=1 if columns else 0, hAlign="LEFT"
    )
    table.setStyle(TableStyle(commands))
    return table


def _heading(english: str, chinese: str) -> Flowable:
    return _text(f"{english} {chinese}", size=11, bold=True, space=12)


def _both(english: str, chinese: str) -> Flowable:
    return _text(f"{english} {chinese}", size=8)


def _term(name: str, *, right: bool = False) -> Flowable:
    english, chinese, *_about = terms()[name]
    return _text(f"{english} {chinese}", size=7, right=right)


def _text(
    text: str, *, size: float = 8, bold: bool = False, right: bool = False, space: float = 0
) -> Flowable:
    """A paragraph whose Chinese is set in a font that has it."""
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "text",
        fontName=_BOLD if bold else _LATIN,
        fontSize=size,
        leading=size * 1.3,
        alignment=TA_RIGHT if right else TA_LEFT,
        spaceBefore=space,
        spaceAfter=space / 3,
        keepWithNext=bold,
    )
    marked = _CHINESE.sub(lambda run: _in_han(run[0]), escape(text))
    return Paragraph(marked, style)


def _in_han(run: str) -> str:
    """Chinese letters, marked with the font that has them."""
    from reportlab.pdfbase import pdfmetrics

    known = pdfmetrics.getFont(_HAN).face.charToGlyph
    return "".join(
        f'<font name="{_HAN if is_known else _RARE}">{"".join(letters)}</font>'
        for is_known, letters in groupby(run, lambda letter: ord(letter) in known)
    )
