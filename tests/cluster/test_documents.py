"""The page on clusters: its commands, run as they stand there, against SeaweedFS and Spark."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import mirror
from tests.support.places import figures
from tests.support.project import PROJECT
from tests.support.servers import free_port

pytestmark = pytest.mark.cluster

# What `make install-cluster` did.
INSTALLED = "pip install "


def test_from_nothing_to_a_night_on_spark(tmp_path: Path, sample_place: Path) -> None:
    text = (PROJECT / "docs" / "cluster.md").read_text(encoding="utf-8")
    [section] = re.findall(r"## From nothing to a night on Spark\n(.*?)\n## ", text, re.DOTALL)
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 6
    assert blocks[0].startswith(INSTALLED)
    script = "\n".join(blocks[1:])
    for port in ("8333", "7077"):
        script = script.replace(port, str(free_port()))
    shutil.copytree(PROJECT / "sample", tmp_path / "sample")
    started = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            # With the names that the sample's accounts have.
            "CALLBILL_CATALOGUE": str(PROJECT / "sample" / "catalogue"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = started.communicate(timeout=600)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == 0, stderr
    assert "100000000002" in stdout
    assert figures(mirror(tmp_path / "data")) == figures(sample_place)
