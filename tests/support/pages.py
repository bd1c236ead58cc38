"""Pages that are run as they are written: their blocks of commands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.support.project import PROJECT

_BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: str, heading: str = "") -> list[str]:
    """The blocks of commands below a heading, up to the next of its kind; of the page without."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    if heading:
        _before, _heading, text = text.partition(f"\n{heading}\n")
        assert text, f"{page} has no {heading}"
        text = text.partition("\n## ")[0]
    return [match[1] for match in _BLOCK.finditer(text)]


def run_commands(blocks: list[str], folder: Path, programs: Path) -> str:
    """What blocks of commands write, one after the other in one shell, with `callbill` from a
    folder of programs. The first that fails ends the test."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CALLBILL_")}
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=folder,
        env=environment | {"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr
    return ended.stdout
