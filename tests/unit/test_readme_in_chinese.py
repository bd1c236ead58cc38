"""README.zh-CN.md says of commands, settings and exit codes what README.md says."""

from __future__ import annotations

import re

from tests.support.project import PROJECT

ENGLISH = (PROJECT / "README.md").read_text(encoding="utf-8")
CHINESE = (PROJECT / "README.zh-CN.md").read_text(encoding="utf-8")


def commands(text: str) -> set[str]:
    return set(re.findall(r"^\| `callbill (\w+)", text, re.MULTILINE))


def test_it_has_the_same_commands() -> None:
    assert commands(CHINESE) == commands(ENGLISH) != set()


def test_it_has_the_same_settings_and_exit_codes() -> None:
    for pattern in (r"`CALLBILL_\w+`", r"`--\w+`", r"^\| (\d) \|", r"^callbill run .*$"):
        assert set(re.findall(pattern, CHINESE, re.MULTILINE)) == set(
            re.findall(pattern, ENGLISH, re.MULTILINE)
        ), pattern


def test_what_is_to_be_typed_is_the_same() -> None:
    def typed(text: str) -> list[list[str]]:
        blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
        return [[line.split(" #")[0].strip() for line in block.splitlines()] for block in blocks]

    chinese = typed(CHINESE)
    assert chinese == typed(ENGLISH)[: len(chinese)]
    assert len(chinese) == len(typed(ENGLISH)) - 1  # without how it is built


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", CHINESE):
        assert (PROJECT / link).exists(), link
