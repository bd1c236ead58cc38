"""docs/analysts.md with the answers that a release of the sample gives:

python -m tests.guide published/current > answers.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import duckdb

from tests.conftest import PROJECT

PAGE = PROJECT / "docs" / "analysts.md"


def answered(text: str, release: Path) -> str:
    """The page with each query's answer behind it."""
    text = re.sub(r"\n```text\n.*?```\n", "", text, flags=re.DOTALL)
    with duckdb.connect(str(release / "callbill.duckdb"), read_only=True) as con:

        def answer(found: re.Match[str]) -> str:
            said = con.sql(found[1])
            return f"{found[0]}\n```text\n{str(said).rstrip()}\n```\n"

        return re.sub(r"```sql\n(.*?)```\n", answer, text, flags=re.DOTALL)


def codes(text: str) -> list[str]:
    """The page's pieces of Python."""
    return re.findall(r"```python\n(.*?)```\n", text, re.DOTALL)


if __name__ == "__main__":
    print(answered(PAGE.read_text(encoding="utf-8"), Path(sys.argv[1])), end="")
