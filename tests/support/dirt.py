"""Dirt: what spreadsheets, exports and log shippers do to a value or to a file.

Every case is one dirty file of an account of its own. Beside it lie clean files of the account. So
what became of the dirty line is told by the account's bill, whatever the other cases hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.support import vendor_bills
from tests.support.landing_files import Fields, csv_file, gz, json_lines, parquet_file, write, zst

USED, ARRIVED = "2026-09-01", "2026-09-02"
THROUGH = "2026-09-05"
# The dirty file comes a day after the clean ones.
DIRTY_ARRIVED = "2026-09-03"
COMPONENT = "wimgs_search_by_text"

_Dirty = Callable[[str], object]
ABSENT = object()


def _grouped(text: str) -> str:
    return f"{int(text):,}" if text.isascii() and text.isdigit() else f"{text},"


def _exponent(text: str) -> str:
    """As a spreadsheet shows a long number."""
    if text.isascii() and text.isdigit() and len(text) > 1:
        return f"{text[0]}.{text[1:6].ljust(5, '0')}E+{len(text) - 1:02d}"
    return f"{Decimal(text):.5E}" if text.replace(".", "", 1).isdigit() else f"{text}E+10"


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _as_number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _as_float(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


# What becomes of a value, by the name of the dirt.
VALUES: dict[str, _Dirty] = {
    "blank behind": lambda text: f"{text} ",
    "blank before": lambda text: f" {text}",
    "tab behind": lambda text: f"{text}\t",
    "no-break blank behind": lambda text: f"{text}\u00a0",
    "narrow no-break blank before": lambda text: f"\u202f{text}",
    "ideographic blank behind": lambda text: f"{text}\u3000",
    "zero-width blank behind": lambda text: f"{text}\u200b",
    "word joiner behind": lambda text: f"{text}\u2060",
    "byte-order mark before": lambda text: f"\ufeff{text}",
    "left-to-right mark before": lambda text: f"\u200e{text}",
    "soft hyphen behind": lambda text: f"{text}\u00ad",
    "line break behind": lambda text: f"{text}\n",
    "carriage return behind": lambda text: f"{text}\r",
    "blanks of several kinds": lambda text: f"\ufeff \u00a0{text}\u200b\t ",
    "apostrophe before": lambda text: f"'{text}",
    "apostrophe and blank": lambda text: f" '{text} ",
    "formula": lambda text: f'="{text}"',
    "formula and blank": lambda text: f' ="{text}" ',
    "quotes": lambda text: f'"{text}"',
    "apostrophes": lambda text: f"'{text}'",
    "control character inside": lambda text: f"{text[:2]}\x07{text[2:]}",
    "zero byte behind": lambda text: f"{text}\x00",
    "blank inside": lambda text: f"{text[:3]} {text[3:]}",
    "zero-width blank inside": lambda text: f"{text[:3]}\u200b{text[3:]}",
    "upper case": str.upper,
    "lower case": str.lower,
    "full width": _full_width,
    "thousands separators": _grouped,
    "exponent": _exponent,
    "decimal point": lambda text: f"{text}.0",
    "sign": lambda text: f"-{text}",
    "plus": lambda text: f"+{text}",
    "semicolon behind": lambda text: f"{text};",
    "number": _as_number,
    "binary fraction": _as_float,
    "empty": lambda _: "",
    "only a blank": lambda _: " ",
    "only a zero-width blank": lambda _: "\u200b",
    "null": lambda _: None,
    "absent": lambda _: ABSENT,
    "dash": lambda _: "-",
    "word null": lambda _: "null",
    "word NULL": lambda _: "NULL",
    "word nil": lambda _: "nil",
    "word None": lambda _: "None",
    "word undefined": lambda _: "undefined",
    "word NaN": lambda _: "NaN",
    "word N/A": lambda _: "N/A",
    "word \\N": lambda _: "\\N",
    "zero": lambda _: "0",
    "zero with decimals": lambda _: "0.00",
    "negative zero": lambda _: "-0",
    "formula error": lambda _: "#N/A",
    "percent": lambda text: f"{text}%",
    "currency": lambda text: f"¥{text}",
    "slashes for hyphens": lambda text: text.replace("-", "/"),
    "as a spreadsheet's date": lambda _: "46266.4791666667",
    "true": lambda _: True,
    "list": lambda text: [text],
}

OF_NUMBERS = {
    *("thousands separators", "exponent", "decimal point", "sign", "plus", "percent", "currency"),
    *("number", "binary fraction", "zero", "zero with decimals", "negative zero"),
}
OTHER_MEANINGS = {
    ("request_id", "upper case"),
    *(("http_status", dirt) for dirt in ("zero", "zero with decimals", "negative zero")),
}
# What a CSV file writes in the same way as something else, or has no way to write.
NOT_IN_CSV = {"null", "true", "list"}
OF_DATES = {"slashes for hyphens", "as a spreadsheet's date"}
# Dirt after which nothing is left of the value.
ERASING = {
    *("empty", "only a blank", "only a zero-width blank", "null", "absent", "dash", "word null"),
    *("word NULL", "word nil", "word None", "word undefined", "word NaN", "word N/A", "word \\N"),
    *("zero", "zero with decimals", "negative zero"),
}

# What becomes of a file of text, by the name of the dirt: its name and its bytes.
_File = Callable[[str, bytes], tuple[str, bytes]]


def _header(change: Callable[[str], str]) -> _File:
    def dirty(name: str, content: bytes) -> tuple[str, bytes]:
        header, rest = content.decode().split("\n", 1)
        return name, f"{change(header)}\n{rest}".encode()

    return dirty


def _lines(change: Callable[[list[str]], list[str]], encoding: str = "utf-8") -> _File:
    def dirty(name: str, content: bytes) -> tuple[str, bytes]:
        lines = content.decode().removesuffix("\n").split("\n")
        return name, ("\n".join(change(lines)) + "\n").encode(encoding)

    return dirty


FILES: dict[str, _File] = {
    "byte-order mark": lambda name, content: (name, b"\xef\xbb\xbf" + content),
    "lines end in CRLF": lambda name, content: (name, content.replace(b"\n", b"\r\n")),
    "lines end in CR": lambda name, content: (name, content.replace(b"\n", b"\r")),
    "no end of the last line": lambda name, content: (name, content.removesuffix(b"\n")),
    "blank lines": _lines(lambda lines: ["", *lines, "", " "]),
    "zero bytes behind": lambda name, content: (name, content + b"\0" * 8),
    "UTF-16": _lines(lambda lines: lines, "utf-16"),
    "UTF-16 without a mark": _lines(lambda lines: lines, "utf-16-le"),
    "gzip": lambda name, content: (f"{name}.gz", gz(content)),
    "gzip cut short": lambda name, content: (f"{name}.gz", gz(content)[:-6]),
    "zstd": lambda name, content: (f"{name}.zst", zst(content)),
    "gzip in name alone": lambda name, content: (f"{name}.gz", content),
    "the last line cut": lambda name, content: (name, content[: -len(content) // 3]),
    "each line twice": _lines(lambda lines: [*lines, lines[-1]]),
}
CSV_FILES: dict[str, _File] = FILES | {
    "header in capitals": _header(str.upper),
    "header with blanks": _header(lambda header: header.replace(",", " , ")),
    "header in quotes": _header(lambda header: '"' + header.replace(",", '","') + '"'),
    "header with a no-break blank": _header(lambda header: header.replace(",", "\u00a0,")),
    "header twice": _lines(lambda lines: [lines[0], *lines]),
    "header ends in commas": _lines(lambda lines: [f"{line},," for line in lines]),
    "header alone ends in commas": _header(lambda header: f"{header},,"),
    "unknown column twice": _lines(lambda lines: [f"{line},tag,tag" for line in lines]),
    "first column twice": _lines(lambda lines: [f"{line},{line.split(',')[0]}" for line in lines]),
    "first column twice, in capitals": _lines(
        lambda lines: [
            f"{lines[0]},{lines[0].split(',')[0].upper()}",
            *(f"{line},{line.split(',')[0]}" for line in lines[1:]),
        ]
    ),
    "no header": _lines(lambda lines: lines[1:]),
    "title above": _lines(lambda lines: ["Monthly report", *lines]),
    "comment above": _lines(lambda lines: ["# exported 2026-09-03", *lines]),
    "sep= above": _lines(lambda lines: ["sep=,", *lines]),
    "totals below": _lines(lambda lines: [*lines, "合计" + "," * lines[0].count(",")]),
    "semicolons": _lines(lambda lines: [line.replace(",", ";") for line in lines]),
    "tabs": _lines(lambda lines: [line.replace(",", "\t") for line in lines]),
    "a column misspelt": _header(lambda header: header.replace("owner_uin", "owner uin")),
    "formulas": _lines(lambda lines: [lines[0], *map(_as_formulas, lines[1:])]),
    "GB18030": _lines(lambda lines: [f"{line},备注" for line in lines], "gb18030"),
}
JSON_FILES: dict[str, _File] = FILES | {
    "keys in capitals": lambda name, content: (name, _renamed(content, str.upper)),
    "keys with blanks": lambda name, content: (name, _renamed(content, lambda key: f"{key} ")),
    "a key twice, in capitals": lambda name, content: (
        name,
        content.replace(b'"owner_uin":', b'"OWNER_UIN": "100000009999", "owner_uin":'),
    ),
    "in a list": lambda name, content: (name, b"[" + content.strip() + b"]\n"),
    "pretty": lambda name, content: (
        name,
        json.dumps(json.loads(content), indent=2, ensure_ascii=False).encode(),
    ),
    "as text in text": lambda name, content: (
        name,
        json.dumps(content.decode().strip()).encode() + b"\n",
    ),
    "comma behind": lambda name, content: (name, content.strip() + b",\n"),
    "syslog before": lambda name, content: (name, b"Sep  3 10:00:00 host app: " + content),
}


def _as_formulas(line: str) -> str:
    return ",".join(f'="{value}"' if value else "" for value in line.split(","))


def _renamed(content: bytes, rename: Callable[[str], str]) -> bytes:
    line = {rename(name): value for name, value in json.loads(content).items()}
    return json_lines(line)


@dataclass(frozen=True)
class Line:
    """A clean line of a feed, beside which clean files lie. A shape puts its fields elsewhere."""

    feed: str
    kind: str
    fields: Callable[[int], Fields]
    shape: str = ""
    shaped: Callable[[Fields], Fields] = dict
    endings: tuple[str, ...] = ("jsonl", "csv", "parquet")


def owner_of(number: int) -> str:
    return str(200_000_000_000 + number)


def caller_of(number: int) -> str:
    return str(300_000_000_000 + number)


def _request_id(number: int, call: int) -> str:
    return f"{number:08d}-c0de-4a1b-8c2d-{call:012x}"


def _call(number: int, call: int, **fields: object) -> Fields:
    return {
        "request_id": _request_id(number, call),
        "called_at": f"{USED}T11:30:{call:02d}+08:00",
        "owner_uin": owner_of(number),
        "operate_uin": caller_of(number),
        "action": "SearchByText",
        "region": "ap-guangzhou",
        "http_status": "200",
        "error_code": "",
        "latency_ms": "12",
        **fields,
    }


def _contract(number: int) -> Fields:
    return {
        "owner_uin": owner_of(number),
        "component_code": COMPONENT,
        "effective_from": "2026-01-01",
        "effective_to": "2027-01-01",
        "discount": "0.5",
        "contract_price": "",
    }


def _event(number: int, kind: str, amount: str) -> Fields:
    return {
        "event_id": f"event-{number}-{kind}",
        "owner_uin": owner_of(number),
        "operate_uin": owner_of(number),
        "occurred_at": f"{USED}T09:00:00+08:00",
        "event_type": kind,
        "amount": amount,
        "memo": "",
    }


def _envelope(fields: Fields) -> Fields:
    error = {"Error": {"Code": fields["error_code"]}} if fields.get("error_code") else {}
    response = {"RequestId": fields["request_id"]} if "request_id" in fields else {}
    names = ("called_at", "owner_uin", "operate_uin", "action")
    outside = {name: fields[name] for name in names if name in fields}
    return {**outside, "Response": response | error}


def _cloudaudit(fields: Fields) -> Fields:
    names = {
        "request_id": "requestID",
        "called_at": "eventTime",
        "action": "eventName",
        "region": "eventRegion",
        "error_code": "apiErrorCode",
    }
    identity = {"owner_uin": "accountId", "operate_uin": "principalId"}
    return {
        **{theirs: fields[ours] for ours, theirs in names.items() if ours in fields},
        "userIdentity": {
            theirs: fields[ours] for ours, theirs in identity.items() if ours in fields
        },
    }


def _bill_line(number: int) -> Fields:
    return {**vendor_bills.row(owner_of(number), USED, 2), "优惠后总价": "0.12"}


# The kinds of dirty lines: a new call, a re-delivered one, a failed one; terms; money; a bill.
LINES = (
    Line("call_logs", "new call", lambda number: _call(number, 9)),
    Line("call_logs", "call again", lambda number: _call(number, 1)),
    Line(
        "call_logs",
        "failed call",
        lambda number: _call(number, 9, error_code="InternalError"),
    ),
    Line("call_logs", "call that failed after all", lambda n: _call(n, 1, http_status="502")),
    Line("call_logs", "enveloped call", lambda n: _call(n, 9), "envelope", _envelope, ("jsonl",)),
    Line("call_logs", "audited call", lambda n: _call(n, 9), "cloudaudit", _cloudaudit, ("jsonl",)),
    Line("contracts", "contract", _contract),
    Line("vendor_bills", "bill line", _bill_line, endings=("csv", "parquet")),
    Line("account_events", "recharge", lambda number: _event(number, "recharge", "50.00")),
    Line("account_events", "block", lambda number: _event(number, "block", "0.05")),
)


@dataclass(frozen=True)
class Case:
    """A dirty file, or with no dirt a clean one to compare with."""

    number: int
    line: Line
    ending: str
    dirt: str = ""
    field: str = ""

    @property
    def is_dirt_of_its_value(self) -> bool:
        """Whether the dirt can happen to the value: nobody writes a request id with an exponent."""
        if self.ending == "csv" and self.dirt in NOT_IN_CSV:
            return False
        value = str(self.line.fields(self.number).get(self.field, ""))
        if self.dirt in OF_NUMBERS:
            return not value or value.replace(".", "", 1).isdigit()
        return self.dirt not in OF_DATES or (value[:4].isdigit() and value[4:5] == "-")

    @property
    def says_something_else(self) -> bool:
        """Whether the line is no longer a dirty spelling, but a clean line of another meaning.

        Who loses an error code makes a success of a failure, and no reader can know. Ids are the
        same only in the same capitals. A status of 0 is what clients write if no answer came.
        """
        return (self.field, self.dirt) in OTHER_MEANINGS or (
            self.field == "error_code" and self.line.kind == "failed call" and self.dirt in ERASING
        )

    @property
    def owner(self) -> str:
        return owner_of(self.number)

    @property
    def name(self) -> str:
        return f"{self.line.kind}, {self.ending}: {self.field or 'file'}, {self.dirt or 'clean'}"

    @property
    def fields(self) -> Fields:
        fields = self.line.fields(self.number)
        if not self.dirt or not self.field:
            return fields
        value = VALUES[self.dirt](str(fields[self.field]))
        if value is ABSENT:
            return {name: text for name, text in fields.items() if name != self.field}
        return fields | {self.field: value}

    def file(self) -> tuple[str, bytes]:
        """The dirty file's path below the feed's folder, and its bytes."""
        formats = {"jsonl": json_lines, "csv": _csv, "parquet": _parquet}
        content = formats[self.ending](self.line.shaped(self.fields))
        name = f"{self.number}.{self.ending}"
        if self.dirt and not self.field:
            files = CSV_FILES if self.ending == "csv" else JSON_FILES
            name, content = files[self.dirt](name, content)
        return name, content


def _csv(fields: Fields) -> bytes:
    return csv_file([fields])


def _parquet(fields: Fields) -> bytes:
    return parquet_file([fields])


def cases() -> Iterator[Case]:
    """Every kind of line in every format: clean, with every dirt in every field, and in files that
    are dirty as a whole."""
    number = 0
    for line in LINES:
        for ending in line.endings:
            variants = [("", "")]
            variants += [(dirt, name) for name in line.fields(0) for dirt in VALUES]
            if ending != "parquet":
                files = CSV_FILES if ending == "csv" else JSON_FILES
                variants += [(dirt, "") for dirt in files]
            for dirt, name in variants:
                number += 1
                case = Case(number, line, ending, dirt, name)
                if case.is_dirt_of_its_value and not case.says_something_else:
                    yield case


def write_landing(landing: Path, some: list[Case]) -> None:
    """The dirty files, and the clean ones beside them."""
    calls: list[Fields] = []
    events: list[Fields] = []
    for case in some:
        calls += [_call(case.number, 1), _call(case.number, 2)]
        events += [
            _event(case.number, "activate", ""),
            _event(case.number, "opening_balance", "20.00"),
        ]
        name, content = case.file()
        folder = landing / case.line.feed
        if case.line.shape:
            folder /= f"format={case.line.shape}"
        write(folder / f"arrived_on={DIRTY_ARRIVED}" / name, content)
    for feed, rows in (("call_logs", calls), ("account_events", events)):
        write(landing / feed / f"arrived_on={ARRIVED}" / "clean.jsonl", json_lines(*rows))
