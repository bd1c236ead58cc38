"""Lines and CSV files that Hypothesis writes, most of them damaged, and what must hold of each.

Whichever way a line is read, whole files at once or line by line, it must come out the same, and
none may be lost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.support.landing_files import Loaded, load
from tests.support.odd_lines import CANONICAL

# --- lines of JSON -------------------------------------------------------------------------------

NAMES = (
    "request_id",
    "called_at",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "http_status",
    "error_code",
    "latency_ms",
)
TIMES = (
    '"2026-03-02T10:00:00+08:00"',
    '"2026-03-02T10:00:00Z"',
    '"2026-03-02 10:00:00.123456789+0800"',
    '"2026-03-02T10:00:00"',
    '"2026-03-05T00:00:00+08:00"',
    '"2026-02-30T00:00:00Z"',
    '"20260302T100000Z"',
    "1772416800",
    "1772416800123",
    "1772416800.5",
    '"1772416800"',
    "1e9",
)
WORDS = (
    "",
    " ",
    "a",
    "0",
    "007",
    "1.0",
    "1.5E+11",
    "null",
    "true",
    "[",
    "{",
    "x y",
    "é",
    "文",
    "😀",
)

numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.integers(0, 1000).map(str),
    st.floats().map(json.dumps),
    st.tuples(st.integers(-20, 20), st.sampled_from("eE"), st.integers(-30, 30)).map(
        lambda parts: "".join(map(str, parts))
    ),
)
strings = st.one_of(st.sampled_from(WORDS), st.text(max_size=6)).flatmap(
    lambda text: st.booleans().map(lambda escaped: json.dumps(text, ensure_ascii=escaped))
)
scalars = st.one_of(strings, numbers, st.sampled_from(("null", "true", "false")))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: f"[{', '.join(some)}]"),
        st.lists(st.tuples(strings, inner), max_size=3).map(
            lambda some: "{" + ", ".join(f"{name}: {value}" for name, value in some) + "}"
        ),
    ),
    max_leaves=4,
)
# What leaves a line clean, for the most part: only then is there something to compare.
mild = st.one_of(strings, numbers, strings, numbers, strings, numbers, values)
PLAIN = {
    "request_id": '"r"',
    "called_at": TIMES[0],
    "owner_uin": '"100000000081"',
    "action": '"SearchByText"',
    "http_status": "200",
}


def once_in(times: int) -> st.SearchStrategy[bool]:
    return st.integers(1, times).map(lambda drawn: drawn == times)


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object of a call log: a plain one, with some fields said otherwise, in some order."""
    fields = list(PLAIN.items())
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(NAMES))
        value = draw(st.sampled_from(TIMES) if name == "called_at" else mild)
        fields = [field for field in fields if field[0] != name or draw(once_in(15))]
        fields.append((name, value))
    if draw(once_in(3)):
        extra = draw(st.sampled_from(("x", "Region", "ERROR_CODE", "Query", "", "x")))
        fields.append((extra, draw(values)))
    gap = draw(st.sampled_from(("", " ", "\t", "  ")))
    shuffled = draw(st.permutations(fields))
    said = f",{gap}".join(f'"{name}":{gap}{value}' for name, value in shuffled)
    return f"{gap}{{{said}}}{gap}"


@st.composite
def envelopes(draw: st.DrawFn) -> str:
    inside = [f'"RequestId": {draw(mild)}']
    if draw(st.booleans()):
        error = draw(values) if draw(once_in(8)) else f'{{"Code": {draw(mild)}}}'
        inside.append(f'"Error": {error}')
    if draw(once_in(3)):
        inside.append(f'"{draw(st.sampled_from(("x", "Error", "Images")))}": {draw(values)}')
    response = draw(values) if draw(once_in(8)) else f"{{{', '.join(inside)}}}"
    return f'{{"called_at": {TIMES[0]}, "owner_uin": "1", "action": "a", "Response": {response}}}'


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """A text, perhaps with something cut out, put in, said twice, or some bytes changed."""
    line = draw(texts).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(1, 2)) if draw(once_in(6)) else 0):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.sampled_from((0, 1, 1, 2, 8, 40))))
        line = draw(
            st.sampled_from(
                (
                    line[:start] + line[end:],
                    line[:end] + line[start:end] + line[end:],
                    line[:start],
                    line[:start] + draw(st.sampled_from(PIECES)) + line[end:],
                    line[:start] + draw(st.binary(min_size=1, max_size=2)) + line[end:],
                    line[:start] + bytes(byte ^ 1 for byte in line[start:end]) + line[end:],
                )
            )
        )
    return line


PIECES = (
    *(b'"', b'""', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"'", b" ", b"\t", b"\r", b"\x00"),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2\xa0", b"\\ud800", b"\\u0000"),
    *(b"null", b"NaN", b"-", b"0", b"e5", b".", b"//", b"1e400", b'"x":1', b"\x0b", b"\x1a"),
)

json_texts = st.lists(
    damaged(objects()).map(lambda line: line.replace(b"\n", b" ")),
    min_size=20,
    max_size=20,
    unique=True,
)
envelope_texts = st.lists(
    damaged(envelopes()).map(lambda line: line.replace(b"\n", b" ")),
    min_size=20,
    max_size=20,
    unique=True,
)


def check_lines(place: Path, folder: str, lines: Sequence[bytes]) -> None:
    # A mark at the beginning of a file is no part of its first line, and a file that begins with an
    # array holds batches of records.
    lines = [line for line in lines if not line.strip().startswith((b"\xef\xbb\xbf", b"["))]
    alone = {f"{folder}/{n:02d}.jsonl": line + b"\n" for n, line in enumerate(lines)}
    whole = load(place, alone, line_by_line=False)
    read_whole = [path for path in alone if path not in whole.read_line_by_line]
    refused = [path for path in alone if path in whole.read_line_by_line]

    files = {
        f"{folder}/clean.jsonl": b"".join(alone[path] for path in read_whole) + b"[]\n",
        f"{folder}/other.jsonl": b"[]\n" + b"".join(alone[path] for path in refused),
    }
    beside = load(place, files)
    clean, other = files
    assert only_in_one(whole.records_in(read_whole), beside.records_in([clean])) == []
    assert [why for _, why in beside.rejects[clean]] == ["not_an_object"]

    blank = sum(not alone[path].strip() for path in read_whole)
    assert beside.counts[clean] == (
        len(read_whole) - blank + 1,
        len(read_whole) - blank,
        1,
    )
    assert_nothing_lost(beside, other, lines=[b"[]", *(alone[path] for path in refused)])
    reasons = dict(beside.rejects[other])
    for number, path in enumerate(refused, 2):
        if is_an_object(alone[path]):
            assert reasons.get(number) not in ("invalid_json", "not_an_object"), alone[path]


def only_in_one(some: list[tuple], others: list[tuple]) -> list[tuple]:
    return [row for row in (*some, *others) if some.count(row) != others.count(row)]


def is_an_object(line: bytes) -> bool:
    """Whether another reader takes a line for an object of texts that can be written down."""
    try:
        said = json.loads(line.decode())
        json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict)


def assert_nothing_lost(loaded: Loaded, path: str, lines: Sequence[bytes]) -> None:
    read, accepted, rejected = loaded.counts[path]
    assert read == sum(bool(line.strip()) for line in lines)
    assert accepted == len(loaded.records[path])
    assert rejected == len(loaded.rejects[path]) == read - accepted
    not_blank = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert {number for number, _ in loaded.rejects[path]} <= not_blank


# --- CSV files ---------------------------------------------------------------------------------

HEADER = b"request_id,called_at,owner_uin,action,http_status,region,note\n"
cells = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(lambda text: f'"{text}"'),
    st.sampled_from(('"a,b"', '"a\nb"', '"a\r\nb"', '"a""b"', '"', '"""', ' "a"', '"a" ', 'a"b')),
    st.text("ab\"',; \t\r\n\\", max_size=4),
)
ends = st.sampled_from(("\n",) * 20 + ("\r\n", "\n\n", "", "\r"))


@st.composite
def csv_records(draw: st.DrawFn) -> str:
    row = ["r", "2026-03-02T10:00:00Z", "1", "a", "200", "reg", "note"]
    for _ in range(draw(st.integers(0, 2)) if draw(once_in(2)) else 0):
        row[draw(st.sampled_from((0, 2, 5, 5, 6, 6, 6)))] = draw(cells)
    return ",".join(row) + draw(ends)


csv_texts = st.lists(
    damaged(st.lists(csv_records(), min_size=1, max_size=3).map("".join)),
    min_size=20,
    max_size=20,
    unique=True,
)


def check_csv(place: Path, contents: Sequence[bytes]) -> None:
    alone = {f"{CANONICAL}/{n:02d}.csv": HEADER + text for n, text in enumerate(contents)}
    whole = load(place, alone, line_by_line=False)
    # What is open at the end of one record must not swallow another: the spoiling line comes first.
    spoilt = {path: HEADER + b"x\n" + alone[path].removeprefix(HEADER) for path in alone}
    beside = load(place, spoilt)
    for path, content in alone.items():
        records, rejects = beside.records_in([path]), list(beside.rejects[path])
        rejects.remove((2, "wrong_number_of_columns"))
        if path not in whole.read_line_by_line:
            assert whole.records_in([path]) == records, content
            assert rejects == [], content
        if b'"' not in content and b"\r" not in content:
            lines = [
                line for line in content.split(b"\n")[1:] if line.decode(errors="replace").strip()
            ]
            assert beside.counts[path][0] == len(lines) + 1, content
        assert beside.counts[path][0] == len(records) + len(rejects) + 1, content


# --- how much ------------------------------------------------------------------------------------

# Examples are lists of 20. What differs is named where it does: making a failing list smaller would
# take minutes.
a_few = settings(
    max_examples=2,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
many = settings(a_few, max_examples=500)
