"""Pages that are run as they are written: their blocks of commands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from tests.support.commands import callbill
from tests.support.project import PROJECT

# Those of commands name no language.
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: str, heading: str = "") -> list[str]:
    """The blocks of commands below a heading, up to the next of its kind; of the page without."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    if heading:
        _before, _heading, text = text.partition(f"\n{heading}\n")
        assert text, f"{page} has no {heading}"
        text = text.partition("\n## ")[0]
    return [match[2] for match in _BLOCK.finditer(text) if not match[1]]


# Instead of the program: whoever reads `asked` runs the command.
_ASK = """
callbill() {
    printf '%s\\0' "$PWD" "$@" > "$ASKED/asked"
    local code
    read -r code < "$ASKED/ended"
    cat "$ASKED/out"
    cat "$ASKED/err" >&2
    return "$code"
}
"""


def run_commands(blocks: list[str], folder: Path, programs: Path | None = None) -> str:
    """What blocks of commands write, one after the other in one shell. The first that fails ends
    the test. `callbill` is from a folder of programs; without one, it runs as in other tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CALLBILL_")}
    environment["PATH"] = f"{programs or '/usr/bin'}:/usr/bin:/bin"
    with _warm_command() as asked:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(blocks if programs else [_ASK, *blocks])],
            cwd=folder,
            env=environment | {"ASKED": str(asked)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr
    return ended.stdout


@contextmanager
def _warm_command() -> Iterator[Path]:
    """A folder in which a shell asks for runs of the command. Imports alone take a process of its
    own seconds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for pipe in ("asked", "ended"):
            os.mkfifo(folder / pipe)
        answering = Thread(target=_answer, args=(folder,))
        answering.start()
        try:
            yield folder
        finally:
            (folder / "asked").write_bytes(b"")
            answering.join()


def _answer(folder: Path) -> None:
    while asked := (folder / "asked").read_bytes():
        cwd, *arguments = asked.decode().split("\0")[:-1]
        ended = callbill(*arguments, cwd=Path(cwd))
        (folder / "out").write_text(ended.stdout, encoding="utf-8")
        (folder / "err").write_text(ended.stderr, encoding="utf-8")
        (folder / "ended").write_text(f"{ended.returncode}\n")
