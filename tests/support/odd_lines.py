"""Lines and CSV records picked by hand, as files that are read whole and as files read by lines."""

from __future__ import annotations

from tests.support.landing_files import json_lines

DAY = "arrived_on=2026-03-03"
CANONICAL, IN_ENVELOPES = f"call_logs/{DAY}", f"call_logs/format=envelope/{DAY}"

# `%` stands for what every line needs.
NEEDED = (
    '"request_id": "r", "called_at": "2026-03-02T10:00:00+08:00", "owner_uin": "1",'
    ' "action": "SearchByText", "http_status": 200'
)
FRACTIONS = (
    *("1.0", "1.50", "-0.0", "1e3", "1E+3", "1e-3", "0.1", "1e15", "1e16", "1e22", "-1e22", "1e-5"),
    *("1e-7", "1.5e-7", "1e300", "5e-324", "1e400", "0.000001", "1.5", "2.5", "2147483648.0"),
    *("123456789012345680000.0", "1772416800.123456", "NaN", "Infinity", "-Infinity"),
)
TEXTS = (
    *('"1"', '"-0"', '"1e3"', '"007"', '" "', '" x "', '"null"', '"NULL"', '"nan"'),
    *('"é"', '"\\u00e9"', '"e\\u0301"', '"\\ud83d\\ude00"', '"😀"', '"文搜图"', '"\u2028"'),
    *('"\\u0000"', '"a\\u0000b"', '"\\n"', '"\\t"', '"\\r"', '"\\/"', '"\\""', '"\\\\"'),
    *('"\ufeff"', '"\x7f"', '"\u00a0"', '"\ufffe"', '"{"', '"]"', '"a,b"', '"it\'s"'),
    *('"0x10"', '"1_000"', '" 5"', '"5 "', '"+5"', '"١"', '""', "null"),
)
# Those that are not an identifier as they are.
CLEANED = (
    *('"-0"', '"1e3"', '" "', '" x "', '"null"', '"NULL"', '"nan"', '"\u2028"', '"\\u0000"'),
    *(
        '"a\\u0000b"',
        '"\\n"',
        '"\\t"',
        '"\\r"',
        '"\ufeff"',
        '"\x7f"',
        '"\u00a0"',
        '" 5"',
        '"5 "',
        '"+5"',
    ),
)
CLEAN_LINES = {
    "blanks and order": (
        "{%}",
        "  {%}  ",
        "\t{ % }\t",
        "{%}\r",
        "\r{%}",
        "\x0b{%}\x0c",
        '{"region": "first", %}',
        '{%,"region":"packed"}',
        '{%   ,   "region"  :  "wide"   }',
        "{%,}",
    ),
    "numbers": tuple(
        f'{{%, "{name}": {number}}}'
        for name in ("region", "error_code", "latency_ms", "operate_uin")
        for number in (
            *("0", "-0", "1", "-1", "9007199254740993", "12345678901234567890"),
            "123456789012345678901234567890",
        )
        if (name, number) != ("operate_uin", "-1")
    )
    + tuple(f'{{%, "latency_ms": {number}}}' for number in FRACTIONS),
    "texts": tuple(
        f'{{%, "{name}": {text}}}'
        for name in ("region", "error_code", "operate_uin", "latency_ms")
        for text in TEXTS
        if (text != '"{"' or name == "latency_ms")
        and (text not in CLEANED or name != "operate_uin")
    ),
    "times": tuple(
        f'{{"request_id": "r", "called_at": {said}, "owner_uin": "1", "action": "a",'
        ' "http_status": 200}'
        for said in (
            *('"2026-03-02T10:00:00Z"', '"2026-03-02 10:00:00.5+0800"', '"20260302T100000Z"'),
            *("1772416800", '"1772416800"', "1772416800.5", "1.7724168e9", "1772416800123"),
            *(
                '"1772416800.1234567"',
                "1772416800123456",
                "1772416800123456789",
                '"2026-03-02T24:00:00+08:00"',
            ),
        )
    ),
    "required fields": (
        '{"request_id": 1, "called_at": 1772416800, "owner_uin": 2, "action": 3, "http_status": 4}',
        '{"request_id": -0, "called_at": 1e9, "owner_uin": -0, "action": 1e3, "http_status": 2e2}',
        '{"request_id": "\\u0031", "called_at": "1772416800", "owner_uin": "\\u0031",'
        ' "action": "\\u0061", "http_status": "\\u0032\\u0030\\u0030"}',
        '{"\\u0072equest_id": "r", "called_at": 1772416800, "owner_uin": "1", "action": "a",'
        ' "http_status": "200.0"}',
        '{"request_id": "r r", "called_at": 1772416800, "owner_uin": "a b", "action": "a b",'
        ' "http_status": "+200"}',
    ),
    "ignored fields": (
        '{%, "x": NaN}',
        '{%, "x": -Infinity}',
        '{%, "x": 1e999}',
        '{%, "x": [1, 2, {"request_id": "other", "a": []}]}',
        '{%, "x": {"owner_uin": "2", "x": {"x": null}}}',
        '{%, "x": [1, 2,]}',
        '{%, "x": "\\u0000", "y": "\\ud83d\\ude00"}',
        '{%, "x": true, "Query": "teapot"}',
        '{%, "x": 123456789012345678901234567890123456789012345678901234567890}',
        '{%, "x": ' + "[" * 500 + "]" * 500 + "}",
        '{%, "x": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}",
        '{%, "x": "' + "y" * 100_000 + '"}',
        '{%, "x": 1, "x": 2}',
        '{%, "": 1, "": 2}',
        '{%, "x": 1, "\\u0078": 2}',
        '{%, "x": {"a": 1, "a": 2}}',
        '{%, "region.": "dot", "region.x": 1, "$.region": 2}',
        '{%, "region\\u0000": "x"}',
        '{%, "latency_ms": true}',
        '{%, "latency_ms": [1]}',
        '{%, "latency_ms": {"a": 1}}',
    ),
}
# Whichever way these are read, they must not be read two ways.
ODD_LINES = (
    *(f'{{%, "operate_uin": {text}}}' for text in CLEANED),
    *('{%, "operate_uin": -1}', '{%, "Region": "upper"}', '{%, "Region": "a", "region": "b"}'),
    *('{%, "Owner_UIN": "2", "ERROR_CODE": "X", "Http_Status": 500}', '{%, "ERROR_CODE": "X"}'),
    '{"request_id": " r ", "called_at": 1772416800, "owner_uin": " ", "action": " ",'
    ' "http_status": "+200"}',
    *(
        f'{{"request_id": "r", "called_at": {time}, "owner_uin": "1", "action": "a",'
        ' "http_status": 200}'
        for time in ("0", "-0", "-1", "20260901")
    ),
    *(f'{{%, "{name}": {n}}}' for name in ("region", "error_code") for n in FRACTIONS),
    *(
        f'{{"request_id": {n}, "called_at": {n}, "owner_uin": "1", "action": {n},'
        ' "http_status": 200}'
        for n in FRACTIONS
    ),
    *(f'{{%, "region": {odd}}}' for odd in ("true", "[]", "{}", '"true"', '"[x"', '"{x"', '"["')),
    *(f'{{%, "error_code": {odd}}}' for odd in ("false", "[1]", '{"a": 1}', '"false"', '"{}"')),
    *("{%,,}", "{,%}", "{%", "%}", "{%} x", "{%}{%}", "{%},", "// {%}", "{%, x: 1}"),
    *('{%, "x": "\\ud800"}', '{%, "x": 01}', '{%, "x": +1}', '{%, "x": .5}', '{%, "x": tru}'),
    *('{%, "x": "a\tb"}', '{%, "x": "\x00"}', "{%}\x00", "{%}\ufeff", "\u00a0{%}"),
    *('{%, "region": "a", "region": "a"}', '{%, "region": null, "region": "a"}'),
    *('{%, "region": "a", "\\u0072egion": "b"}', '{"request_id": null, %}'),
    *("null", "1", '"x"', "{}", "[]", "NaN"),
)
ENVELOPE_ENDS = (
    '{"RequestId": "r"}',
    '{"RequestId": 5, "Error": null}',
    '{"RequestId": "r", "Error": {"Code": "X", "Message": ["m"]}}',
    '{"RequestId": "r", "Error": {"Code": 1}}',
    '{"RequestId": "r", "Images": [{"RequestId": "s"}]}',
    '{"RequestId": "r", "x": 1, "x": 2}',
    '{"RequestId": "r", "Error": {"Code": "X", "y": 1, "y": 2}}',
    '{"RequestId": "r"}, "Response.RequestId": "s", "error_code": "X", "http_status": 500',
)
ODD_ENVELOPE_ENDS = (
    '{"RequestId": "r", "error": {"Code": "X"}, "Images": [{"RequestId": "s"}]}',
    *('{"RequestId": "r", "Error": {"Code": 0.0}}', '{"RequestId": "r", "Error": {"Code": " "}}'),
    *('{"RequestId": "r", "Error": {}}', '{"RequestId": "r", "Error": {"Code": null}}'),
    *('{"RequestId": "r", "Error": ""}', '{"RequestId": "r", "Error": []}'),
    *('{"RequestId": "r", "Error": {"Code": true}}', '{"RequestId": "r", "RequestId": "r"}'),
    *('{"RequestId": {}}', "null", '"x"', "[]", '"{}"', '{"RequestId": "r"}, "Response": null'),
)


def envelope_line(end: str) -> str:
    return (
        '{"called_at": "2026-03-02T10:00:00+08:00", "owner_uin": "1", "action": "a",'
        f' "Response": {end}}}'
    )


CSV_NAMES = "request_id,called_at,owner_uin,action,http_status,region,error_code,latency_ms,note\n"
CSV_NEEDED = "r,2026-03-02T10:00:00+08:00,1,a,200"
CLEAN_CSV = (
    f"{CSV_NEEDED},,,,end\n",
    f"{CSV_NEEDED},,,,end",
    f"{CSV_NEEDED}, , x ,5,end\n",
    f"{CSV_NEEDED},é😀文,\u00a0,007,end\n",
    f"{CSV_NEEDED},NULL,null,\\N,end\n",
    f'{CSV_NEEDED},"quoted","a""b","1",end\n',
    f'{CSV_NEEDED},"a,b","a\nb","5",end\n',
    f'{CSV_NEEDED},"a\r\nb","",,end\n',
    f"{CSV_NEEDED},it's,\\,a\\b,end\n",
    f"{CSV_NEEDED},[1],{{}},true,end\n",
    f"{CSV_NEEDED},#,;,|,end\n",
    f"{CSV_NEEDED},\x01,\x7f,\x0b,end\n",
    '"r","2026-03-02T10:00:00+08:00","1","a","200","","","","end"\n',
)
ODD_CSV = (
    f"{CSV_NEEDED},,,,\n",
    f"{CSV_NEEDED},,,,end\r\n",
    f"{CSV_NEEDED},,,,end,\n",
    f"{CSV_NEEDED},,,,end,,\n",
    f"{CSV_NEEDED},,,\n",
    f'{CSV_NEEDED},,,,,,"a""b"\n',
    f'{CSV_NEEDED},,,,,"",""\n',
    f'{CSV_NEEDED},,,,"end" \n',
    f'{CSV_NEEDED},,,, "end"\n',
    f'{CSV_NEEDED},,,,"end"x\n',
    f'{CSV_NEEDED},,,,en"d\n',
    f'{CSV_NEEDED},,,,"end\n',
    f'{CSV_NEEDED},,,,"end',
    f'{CSV_NEEDED},,,,"""\n',
    f'{CSV_NEEDED},,,,"""',
    f'{CSV_NEEDED},,,,"end""\n',
    f'{CSV_NEEDED},,,,"end\\"\n',
    f'{CSV_NEEDED},"reg,,,end\n',
    f'"{CSV_NEEDED},,,,end\n',
    f'{CSV_NEEDED},,,,"\n',
    f"{CSV_NEEDED},,,,e\rnd\n",
    f"{CSV_NEEDED},,,,end\r",
    f"\n\n{CSV_NEEDED},,,,end\n",
    f"  \n{CSV_NEEDED},,,,end\n\t\n",
    f"{CSV_NEEDED},,,,end\n,,,,,,,,\n",
    f'{CSV_NEEDED},,,,end\n""\n',
    f"{CSV_NEEDED},,,,e\x00nd\n",
    f"{CSV_NEEDED},\x00,,,end\n",
    f"{CSV_NEEDED},,,,".encode() + b"\xff\n",
    f"{CSV_NEEDED},".encode() + b"\xc3,,,end\n",
    f"{CSV_NEEDED},,,,".encode() + b'"\xed\xa0\x80"\n',
    f"{CSV_NAMES}{CSV_NEEDED},,,,end\n",
)

# By name: whether its files are read whole, the folder, and what lies in the files.
GROUPS: dict[str, tuple[bool, str, list[bytes]]] = {
    **{
        name: (True, CANONICAL, [json_lines(line.replace("%", NEEDED)) for line in some])
        for name, some in CLEAN_LINES.items()
    },
    "odd lines": (False, CANONICAL, [json_lines(line.replace("%", NEEDED)) for line in ODD_LINES]),
    "envelopes": (True, IN_ENVELOPES, [json_lines(envelope_line(end)) for end in ENVELOPE_ENDS]),
    "odd envelopes": (
        False,
        IN_ENVELOPES,
        [json_lines(envelope_line(end)) for end in ODD_ENVELOPE_ENDS],
    ),
    "csv": (True, CANONICAL, [json_lines(text, end=b"") for text in CLEAN_CSV]),
    "odd csv": (False, CANONICAL, [json_lines(text, end=b"") for text in ODD_CSV]),
}


def both_ways(name: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Files of a group as they are, and with a line that has them read line by line."""
    _, folder, contents = GROUPS[name]
    ending = "csv" if "csv" in name else "jsonl"
    header, spoiler = (CSV_NAMES.encode(), b"x\n") if ending == "csv" else (b"", b"[]\n")
    alone = {
        f"{folder}/{name}/alone-{n:03d}.{ending}": header + content
        for n, content in enumerate(contents)
    }
    if ending == "csv":
        # What is open at the end of one record would swallow the next.
        spoilt = {
            path.replace("alone", "spoilt"): header + spoiler + content
            for path, content in zip(alone, contents, strict=True)
        }
    else:
        spoilt = {f"{folder}/{name}/spoilt.{ending}": b"".join(contents) + spoiler}
    return alone, spoilt
