"""docs/analysts.md and others with the answers that a release of the sample gives:

python -m tests.support.guide data          writes them into the pages
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from tests.support.commands import callbill
from tests.support.project import PROJECT

PAGES = {path.stem: path for path in (PROJECT / "docs").glob("*.md")}
# Those whose queries and commands are about the sample.
ANSWERED = ("analysts", "exports", "reconciliation", "simulate")


def answered(text: str, place: Path, work: Path) -> str:
    """The page with each query's and command's answer behind it, in a place where the sample was
    run; commands write into `work`, where the page's files are."""
    text = re.sub(r"\n```text\n.*?```\n", "", text, flags=re.DOTALL)
    release = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(release), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")

        def answer(found: re.Match[str]) -> str:
            said = con.sql(found[1])
            return f"{found[0]}\n```text\n{str(said).rstrip()}\n```\n"

        text = re.sub(r"```sql\n(.*?)```\n", answer, text, flags=re.DOTALL)
    (work / "data").symlink_to(place.absolute())
    for name, content in re.findall(r"```csv (\S+)\n(.*?)```\n", text, flags=re.DOTALL):
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return re.sub(r"```console\n(.*?)```\n", _said_in(work), text, flags=re.DOTALL)


def _said_in(work: Path) -> Callable[[re.Match[str]], str]:
    def said(found: re.Match[str]) -> str:
        shown = ""
        for command in re.findall(r"^\$ callbill (.*)$", found[1], re.MULTILINE):
            ended = callbill(*shlex.split(command), cwd=work)
            shown += f"$ callbill {command}\n{ended.stdout}{ended.stderr}"
            if ended.returncode:
                shown += f"(exit code {ended.returncode})\n"
        lines = "".join(f"{line.rstrip()}\n" for line in shown.splitlines())
        return f"```console\n{lines}```\n"

    return said


def codes(text: str) -> list[str]:
    """The page's pieces of Python."""
    return re.findall(r"```python\n(.*?)```\n", text, re.DOTALL)


if __name__ == "__main__":
    import tempfile

    for name in ANSWERED:
        with tempfile.TemporaryDirectory() as folder:
            page = PAGES[name].read_text(encoding="utf-8")
            page = answered(page, Path(sys.argv[1]), Path(folder))
        PAGES[name].write_text(page, encoding="utf-8")
