"""The examples in `deploy`, tried with the programs that read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import CALLBILL
from tests.support.project import PROJECT

DEPLOY = PROJECT / "deploy"
# With Airflow and Dagster: `make test-schedulers` makes it.
SCHEDULERS = PROJECT / ".venv-schedulers"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def run(*command: object, **others: object) -> str:
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **others
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@needs("systemd-analyze")
def test_units_for_systemd_are_right(tmp_path: Path) -> None:
    for name in ("callbill.service", "callbill.timer"):
        text = (DEPLOY / name).read_text()
        assert name == "callbill.timer" or "/opt/callbill/bin/callbill" in text
        (tmp_path / name).write_text(text.replace("/opt/callbill/bin/callbill", str(CALLBILL)))
    assert run("systemd-analyze", "verify", *sorted(tmp_path.iterdir())) == ""


@needs("systemd-sysusers")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users")
def test_user_and_folders_are_made_with_modes_under_which_others_can_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", DEPLOY / "callbill.sysusers")
    users = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    [(uid, gid)] = [(int(u[2]), int(u[3])) for u in users if u[0] == "callbill"]
    run("systemd-tmpfiles", "--create", f"--root={tmp_path}", DEPLOY / "callbill.tmpfiles")
    place = tmp_path / "var/lib/callbill"
    modes = {}
    for path in (place, place / "landing", place / "published"):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (uid, gid)
        modes[path.name] = oct(status.st_mode & 0o777)
    assert modes == {"callbill": "0o755", "landing": "0o750", "published": "0o755"}
    # The unit's umask leaves releases and metrics readable.
    assert "\nUMask=0022\n" in (DEPLOY / "callbill.service").read_text()


def test_the_page_on_operations_has_the_crontab_and_names_files_that_are_there() -> None:
    page = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
    crontab = (DEPLOY / "crontab").read_text().splitlines()
    of_page = next(line for line in page.splitlines() if line.startswith("30 1 * * * "))
    [place] = [line for line in crontab if line.startswith("CALLBILL_PLACE=")]
    assert of_page.replace(f"{place} ", "") == crontab[-1]
    copied = {word for line in page.splitlines() if line.startswith("cp callbill") for word in
              line.partition(" &&")[0].split()[1:-1]}  # fmt: skip
    assert len(copied) == 4
    assert all((DEPLOY / name).exists() for name in copied)


@needs("promtool")
def test_alert_rules_are_right_and_ring_when_they_should() -> None:
    run("promtool", "check", "rules", "alerts.yml", cwd=DEPLOY)
    run("promtool", "test", "rules", "alerts_test.yml", cwd=DEPLOY)


def test_alert_rules_name_metrics_that_there_are() -> None:
    names = {
        word.strip("(){}")
        for line in (DEPLOY / "alerts.yml").read_text().splitlines()
        if "expr:" in line
        for word in line.replace("{", " ").replace("(", " ").replace(")", " ").split()
        if word.startswith("callbill_")
    }
    source = (PROJECT / "pipelines/callbill/jobs/status.py").read_text()
    missing = [name for name in names if name.removeprefix("callbill_") not in source]
    assert names and missing == []


@pytest.mark.skipif(not SCHEDULERS.exists(), reason="`make test-schedulers` installs them")
@pytest.mark.parametrize(
    ("file", "check"),
    [
        (
            "airflow_dag.py",
            "from airflow.sdk import DAG\n"
            "[dag] = [v for v in [module.callbill()] if isinstance(v, DAG)]\n"
            "assert dag.task_ids == ['run'] and dag.get_task('run').retries == 6",
        ),
        (
            "dagster_job.py",
            "module.defs.get_repository_def().load_all_definitions()\n"
            "module.CALLBILL = '/bin/false'\n"
            "assert not module.callbill.execute_in_process(raise_on_error=False).success\n"
            "module.CALLBILL = '/bin/true'\n"
            "assert module.callbill.execute_in_process().success",
        ),
    ],
)
def test_examples_for_schedulers_are_parsed_by_them(file: str, check: str, tmp_path: Path) -> None:
    code = (
        "import importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('example', {str(DEPLOY / file)!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        f"{check}\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)}
    python = SCHEDULERS / file.partition("_")[0] / "bin" / "python"
    run(python, "-c", code, env=environment, cwd=tmp_path)


@needs("hadolint")
def test_the_image_is_described_as_it_should_be() -> None:
    assert run("hadolint", DEPLOY / "Dockerfile") == ""


def test_the_image_runs_as_nobody_with_a_place_of_its_own() -> None:
    """Where there is no daemon to build it, tests/job/test_wheel.py takes its steps in a folder."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert "VOLUME /place" in lines
    assert any("--constraint /build/requirements.lock" in line for line in lines)
    assert lines[-2:] == ['ENTRYPOINT ["callbill"]', 'CMD ["status"]']
