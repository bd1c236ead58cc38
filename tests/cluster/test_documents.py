"""The page on clusters: its commands, run as they stand there, with SeaweedFS, Spark and Dask."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.conftest import mirror
from tests.support.places import figures
from tests.support.project import PROJECT
from tests.support.servers import free_port

pytestmark = pytest.mark.cluster

# What is run. A fence of another kind shows what lies somewhere.
_RUN = {"sh": "{}", "python": "python - <<'END'\n{}END\n"}
_PORTS = ("8333", "7077", "8786")


def script_of(text: str) -> str:
    """The commands and the Python of a page, in order."""
    fences = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
    assert {kind for kind, _code in fences} == {*_RUN, "text"}
    return "\n".join(_RUN[kind].format(code) for kind, code in fences if kind in _RUN)


def checkout(folder: Path) -> None:
    """A copy of the repository, and what `make install` would install there."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = PROJECT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (folder / ".venv").symlink_to(sys.prefix)


def environment(folder: Path) -> Path:
    """An environment of Python that has what `make install-cluster` installed, except callbill."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    [site_packages] = folder.glob("lib/python*/site-packages")
    installed = [path for path in sys.path if path.endswith("site-packages")]
    (site_packages / "installed.pth").write_text("\n".join(installed))
    # As pip writes it: Dask's workers run in this environment too.
    dask = folder / "bin" / "dask"
    dask.write_text(f'#!/bin/sh\nexec {folder}/bin/python -m dask "$@"\n')
    dask.chmod(0o755)
    return folder / "bin"


def test_from_nothing_to_a_night_on_spark(java: None, tmp_path: Path, sample_place: Path) -> None:
    """All that the page says to run, in a copy of the repository. pip installs the wheel and finds
    everything else there, in the versions that are locked."""
    script = script_of((PROJECT / "docs" / "cluster.md").read_text(encoding="utf-8"))
    for port in _PORTS:
        assert port in script
        script = script.replace(port, str(free_port()))
    repository = tmp_path / "repository"
    checkout(repository)
    bin_ = environment(tmp_path / "environment")
    started = subprocess.Popen(
        ["bash", "-xeuo", "pipefail", "-c", script],
        cwd=repository,
        env={
            **os.environ,
            "PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            # With the names that the sample's accounts have.
            "CALLBILL_CATALOGUE": str(repository / "sample" / "catalogue"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = started.communicate(timeout=1200)
    finally:
        with suppress(ProcessLookupError):  # of a script that failed early nothing is left
            os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == 0, stdout + stderr
    # The wheel, in its own environment, and not this checkout.
    assert list((tmp_path / "environment").glob("lib/*/site-packages/callbill/__init__.py"))
    assert stdout.count("Equal") == 2
    assert "100000000002" in stdout
    assert "29.40" in stdout
    # By DuckDB's Parquet and database, by polars and by Spark.
    assert len(re.findall(r"2026-08-01.*\b181\.40", stdout)) == 4, stdout
    assert figures(mirror(repository / "data")) == figures(sample_place)
