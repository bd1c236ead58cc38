"""The wheel: what it holds, and that it runs with nothing else of this project at hand.

It is installed as its users install it, by the steps of the image: into a fresh environment, with
the dependencies that it names, in the versions that are locked. Beside it stands pyarrow, as with
many who have data to look at: DuckDB takes another road where it is there. Nobody may write into
what was installed, and no checkout is near.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.support.landing_files import json_lines, record, write
from tests.support.pages import commands_of, run_commands
from tests.support.places import lose_warehouse, manifest, places, query
from tests.support.project import FIXTURES, PROJECT, SAMPLE_THROUGH
from tests.support.releases_of_0_6_0 import differences, read, unpack

PACKAGE = "pipelines/callbill"
# Allowed too, beside the version that is locked.
OTHER_DUCKDB = "2.0.1"
# Twice quiet: errors alone are shown.
PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check")
# Where a wheel has what lies elsewhere in a checkout.
IN_PROJECT = ("models", "macros", "seeds", "deploy", "dbt_project.yml", "profiles.yml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", folder], cwd=PROJECT, check=True, capture_output=True)
    [path] = folder.iterdir()
    return path


def files(folder: Path) -> list[str]:
    """The files below a folder of the checkout, without settings of tools; or the file itself."""
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    return [
        path.relative_to(PROJECT).as_posix()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    ]


def test_a_wheel_holds_the_package_and_the_dbt_project_and_nothing_else(wheel: Path) -> None:
    package = {path.removeprefix("pipelines/"): path for path in files(PROJECT / PACKAGE)}
    project = {
        f"callbill/project/{path}": path for name in IN_PROJECT for path in files(PROJECT / name)
    }
    expected = package | project
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert held == expected.keys()
        for name, path in expected.items():
            assert archive.read(name) == (PROJECT / path).read_bytes(), name
    kinds = {Path(name).suffix for name in held}
    assert kinds >= {".py", ".sql", ".yml", ".csv", ".j2", ".js", ".css", ".svg"}


# --- installed ---

# Nobody in particular: it has no name here, and no home.
ANYBODY = 10001


@dataclass(frozen=True)
class Image:
    """What the steps of the image give, in a folder that stands for its root."""

    root: Path
    variables: dict[str, str]
    user: str
    work: Path
    entrypoint: str

    @property
    def environment(self) -> Path:
        return self.root / "opt" / "callbill"


@pytest.fixture(scope="module")
def image(wheel: Path) -> Iterator[Image]:
    """What the second stage copies is all that is left of the first."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        # Every user can look into it, as into /opt.
        Path(name).chmod(0o755)
        yield built(wheel, Path(name))
        allow_writing(Path(name), True)


def steps_of_dockerfile() -> list[tuple[str, str]]:
    """Instructions and what they say, lines that go on joined."""
    text = (PROJECT / "deploy" / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(name, said) for name, _, said in (line.partition(" ") for line in lines)]


def built(wheel: Path, folder: Path) -> Image:
    python = python_at_hand("{}.{}".format(*sys.version_info[:2]))
    assert python is not None
    root, programs = folder / "root", folder / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(python)
    stages: list[list[tuple[str, str]]] = []
    for name, said in steps_of_dockerfile():
        if name == "FROM":
            stages.append([])
        else:
            stages[-1].append((name, said))

    def here(text: str) -> str:
        return re.sub(r"(?<![\w.])/(opt|build|place)\b", rf"{root}/\1", text)

    build, image = stages
    for name, said in build:
        if name == "COPY":
            *sources, target = said.split()
            Path(here(target)).mkdir(parents=True)
            for source in sources:
                path = wheel if source.startswith("dist/") else PROJECT / source
                shutil.copy(path, here(target))
        else:
            assert name == "RUN"
            # An image has no use for what pip keeps, this machine has it already.
            command = here(said).replace(" --no-cache-dir", "")
            path_of = {"PATH": f"{programs}:/usr/bin:/bin"}
            subprocess.run(
                ["sh", "-euc", command], check=True, env=path_of, stdout=subprocess.DEVNULL
            )
    root.rename(folder / "built")
    variables: dict[str, str] = {}
    user = entrypoint = work = ""
    for name, said in image:
        if name == "COPY":
            source, target = said.removeprefix("--from=build ").split()
            Path(here(target)).parent.mkdir(parents=True)
            Path(f"{folder}/built{source}").rename(here(target))
        elif name == "ENV":
            variables |= dict(pair.split("=", 1) for pair in here(said).split())
        elif name == "USER":
            user = said
        elif name == "WORKDIR":
            work = here(said)
        elif name == "ENTRYPOINT":
            [entrypoint] = re.findall(r'"(.*)"', said)
    shutil.rmtree(folder / "built")
    variables["PATH"] = variables["PATH"].replace("$PATH", "/usr/bin:/bin")
    return Image(root, variables, user, Path(work), entrypoint)


@dataclass(frozen=True)
class Installed:
    """The wheel in an environment of its own, which is read-only, and a folder to work in."""

    environment: Path
    work: Path
    # Packages that stand beside the environment's own, and are taken first.
    beside: tuple[Path, ...]

    @property
    def package(self) -> Path:
        [package] = self.environment.glob("lib/python*/site-packages/callbill")
        return package

    def start(self, *command: object) -> subprocess.CompletedProcess[str]:
        """Start a program of the environment, as somebody without a home and without rights that
        go beyond those of files."""
        program, *arguments = map(str, command)
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        if self.beside:
            kept["PYTHONPATH"] = ":".join(map(str, self.beside))
        # Nobody may write past a file's mode, root least of all.
        as_anybody = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if is_root() else []
        return subprocess.run(
            [*as_anybody, self.environment / "bin" / program, *arguments],
            cwd=self.work,
            env={**kept, "PATH": "/usr/bin:/bin", "HOME": "/nowhere"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def callbill(self, *arguments: object) -> str:
        """What a command that has to succeed writes."""
        ended = self.start("callbill", *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def content(self) -> dict[str, str]:
        """A hash of every file in the package, but for what Python compiled of it."""
        return {
            path.relative_to(self.package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.package.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }


def is_root() -> bool:
    return os.geteuid() == 0


def allow_writing(folder: Path, allowed: bool) -> None:
    """Into files and folders, by whoever owns them; links lead out of here."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IWUSR if allowed else mode & ~0o222)


def install_beside(folder: Path, *packages: object) -> Path:
    """Install packages into a folder, without what they need."""
    command = [sys.executable, *PIP_INSTALL, "--no-deps", "--target", folder, *packages]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def installed(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("installed")
    work = folder / "work"
    work.mkdir()
    locked = ("--requirement", PROJECT / "requirements-beside.lock")
    beside = install_beside(folder / "beside", *locked)
    allow_writing(image.environment, False)
    yield Installed(image.environment, work, (beside,))
    # Half a gigabyte, which pytest would keep for some days.
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def settled(installed: Installed) -> Path:
    """The sample, settled by what was installed, all in the default places."""
    shutil.copytree(PROJECT / "sample" / "landing", installed.work / "data" / "landing")
    installed.callbill("run", "--through", SAMPLE_THROUGH)
    return installed.work / "data"


@pytest.mark.wheel
def test_it_is_what_it_is_taken_for(installed: Installed) -> None:
    """Else the tests below would show less than they seem to."""
    ended = installed.start("python", "-c", "import callbill, pandas, pyarrow; print(callbill)")
    assert (ended.returncode, str(installed.package) in ended.stdout) == (0, True), ended.stderr
    for module in ("pytest", "hypothesis", "sqlfluff"):
        ended = installed.start("python", "-c", f"import {module}")
        assert "ModuleNotFoundError" in ended.stderr
    target = installed.package / "project" / "written"
    ended = installed.start("python", "-c", f"open({str(target)!r}, 'w')")
    assert "PermissionError" in ended.stderr


@pytest.mark.wheel
def test_it_says_what_it_can_do(installed: Installed) -> None:
    said = installed.callbill("--help")
    for command in ("run", "bill", "explain", "verify", "rebuild", "export"):
        assert f"  {command} " in said


@pytest.mark.wheel
def test_it_settles_the_sample(settled: Path) -> None:
    assert differences(settled / "published", read(FIXTURES / "sample-0.6.0.json")) == []
    site = settled / "published" / "current" / "site"
    for page in ("index.html", "assets/bill.js", "assets/site.css", "controls/index.html"):
        assert (site / page).exists(), page
    assert (site / "dbt" / "index.html").stat().st_size > 100_000


@pytest.mark.wheel
def test_its_other_commands_answer(installed: Installed, settled: Path) -> None:
    database = settled / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(database), read_only=True) as release:
        owner, month, line_id = release.execute(
            "select owner_uin, strftime(bill_month, '%Y-%m'), line_id from billing.bill_lines"
            " where line_type = 'usage' order by settled_on desc, line_id limit 1"
        ).fetchall()[0]
    assert "to the last digit" in installed.callbill("verify")
    assert owner in installed.callbill("bill", f"--owner={owner}", f"--month={month}")
    assert owner in installed.callbill("explain", line_id)
    assert manifest(settled)["run_id"] in installed.callbill("runs")
    installed.callbill("rejects")
    for kind in ("csv", "xlsx", "parquet"):
        folder = installed.work / kind
        installed.callbill("export", f"--month={month}", f"--format={kind}", f"--output={folder}")
        assert {path.suffix for path in folder.iterdir()} == {f".{kind}"}


@pytest.mark.wheel
def test_the_quick_start_of_the_readme(installed: Installed, tmp_path: Path) -> None:
    _install, *blocks = commands_of("README.md", "## Quick start")
    shown = run_commands(blocks, tmp_path, installed.environment / "bin")
    assert "deducted 0.24 − rated 0.24000000 = 0.00000000" in shown
    # What was installed is read-only, and what was made of it is not.
    prices = tmp_path / "acme" / "catalogue" / "list_prices.csv"
    assert prices.stat().st_mode & stat.S_IWUSR


def settle_next_night(place: Path, command: Callable[..., str]) -> None:
    """Settle a night more of what 0.6.0 left, to the same figures as 0.6.0 did."""
    shutil.copytree(place / "next-night" / "landing", place / "landing", dirs_exist_ok=True)
    expected = read(place / "next-night" / "expected.json")
    command("run", *places(place), "--through", expected["through"])
    assert differences(place / "published", expected) == []


@pytest.mark.wheel
def test_it_reads_odd_lines_as_without_pyarrow(installed: Installed, tmp_path: Path) -> None:
    """Whole files, and line by line; by the rules of 0.6.0, and by today's."""
    alone = replace(installed, beside=())
    ended = alone.start("python", "-c", "import pyarrow")
    assert "ModuleNotFoundError" in ended.stderr
    place = unpack("callbill-0.6.0-dirty.tar.zst", tmp_path / "beside")
    without = unpack("callbill-0.6.0-dirty.tar.zst", tmp_path / "without")
    lose_warehouse(place)
    rebuilt = installed.callbill("rebuild", *places(place))
    assert "every settlement date says what it was sealed with" in rebuilt
    through = date.fromisoformat(manifest(place)["through"]) + timedelta(days=1)
    for folder in (place, without):
        landed = folder / "next-night" / "landing"
        shutil.copytree(landed, folder / "landing", dirs_exist_ok=True)
    installed.callbill("run", *places(place), f"--through={through}")
    alone.callbill("run", *places(without), f"--through={through}")
    assert manifest(place)["settlement_hashes"] == manifest(without)["settlement_hashes"]
    installed.callbill("verify", *places(place))


@pytest.mark.wheel
def test_duckdb_2_takes_turns_with_duckdb_1(installed: Installed, tmp_path: Path) -> None:
    """Each goes on with what the other wrote, and the figures are the same."""
    duckdb_2 = install_beside(tmp_path / "duckdb-2", f"duckdb=={OTHER_DUCKDB}")
    other = replace(installed, beside=(duckdb_2, *installed.beside))
    ended = other.start("python", "-c", "import duckdb; print(duckdb.__version__)")
    assert ended.stdout.strip() == OTHER_DUCKDB
    assert not duckdb.__version__.startswith("2.")

    place = unpack("callbill-0.6.0-clean.tar.zst", tmp_path)
    settle_next_night(place, other.callbill)
    assert manifest(place)["versions"]["duckdb"] == OTHER_DUCKDB
    other.callbill("verify", *places(place))
    assert query(place, "select count(*) > 0 from billing.bill_lines") == [(True,)]
    lose_warehouse(place)
    other.callbill("rebuild", *places(place))
    through = date.fromisoformat(manifest(place)["through"]) + timedelta(days=1)
    installed.callbill("run", *places(place), f"--through={through}")
    assert manifest(place)["versions"]["duckdb"] == duckdb.__version__
    installed.callbill("verify", *places(place))


@pytest.mark.wheel
def test_what_was_installed_is_left_as_it_was(installed: Installed, wheel: Path) -> None:
    """After all of the above: nothing was added, nothing changed."""
    with zipfile.ZipFile(wheel) as archive:
        held = {
            name.removeprefix("callbill/"): hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name.startswith("callbill/")
        }
    assert installed.content() == held


# --- installed by other tools, with other Pythons, for other users ---

# The first Python that is supported, and those after it.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv and pipx, in an environment of their own."""
    environment = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [environment / "bin" / "python", *PIP_INSTALL, "uv", "pipx"]
    subprocess.run(install, check=True)
    return environment / "bin"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can look into, as /opt is."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)
        allow_writing(Path(name), True)


def python_at_hand(version: str) -> str | None:
    """A Python of that version, or None: a shim may stand for one that is not there."""
    for name in (f"/usr/bin/python{version}", f"python{version}"):
        path = shutil.which(name)
        if path is None:
            continue
        ask = "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"
        said = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
        if said.stdout.strip() == version:
            return path
    return None


def shown_by_quick_start(programs: Path, work: Path) -> str:
    """What the commands up to the first bill write. Nothing was compiled when it was installed, so
    Python keeps what it compiles, elsewhere."""
    _install, *blocks = commands_of("README.md", "## Quick start")
    lines = "".join(blocks).splitlines()
    to_the_bill = next(n for n, line in enumerate(lines) if line.startswith("callbill bill "))
    shown = [line for line in lines[: to_the_bill + 1] if "--dry-run" not in line]
    compiled = f"export PYTHONPYCACHEPREFIX={shlex.quote(str(work / 'compiled'))}"
    return run_commands([compiled, "unset PYTHONDONTWRITEBYTECODE", *shown], work, programs)


@pytest.mark.wheel
@pytest.mark.parametrize("version", PYTHONS)
def test_uv_installs_it_for_each_python(
    wheel: Path, tools: Path, folder: Path, tmp_path: Path, version: str
) -> None:
    """As README has it, with the newest versions of what it needs."""
    python = python_at_hand(version)
    if python is None:
        pytest.skip(f"there is no Python {version}")
    environment = {
        **os.environ,
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
    }
    uv = [tools / "uv", "tool", "install", "--quiet", "--python", python]
    subprocess.run([*uv, wheel], env=environment, check=True)
    allow_writing(folder / "tools", False)
    assert "deducted 0.24 − rated 0.24000000" in shown_by_quick_start(folder / "bin", tmp_path)


@pytest.mark.wheel
def test_pipx_installs_it(wheel: Path, tools: Path, folder: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PIPX_HOME": str(folder / "pipx"),
        "PIPX_BIN_DIR": str(folder / "bin"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }
    subprocess.run([tools / "pipx", "install", "--quiet", wheel], env=environment, check=True)
    assert "deducted 0.24 − rated 0.24000000" in shown_by_quick_start(folder / "bin", tmp_path)


@pytest.mark.wheel
@pytest.mark.skipif(not is_root(), reason="only root becomes another user")
def test_the_steps_of_the_image_give_a_command_for_anybody(image: Image) -> None:
    """Who runs it owns the place and nothing else."""
    # As the image has it.
    allow_writing(image.environment, True)
    place = image.work
    place.mkdir()
    uid, gid = map(int, image.user.split(":"))
    assert uid == gid == ANYBODY
    os.chown(place, uid, gid)

    def command(*arguments: object) -> str:
        as_user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        ended = subprocess.run(
            [*as_user, "env", image.entrypoint, *map(str, arguments)],
            cwd=place,
            env=image.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    before = {path: path.lstat().st_mtime_ns for path in image.environment.rglob("*")}
    command("init", place)
    write(place / "landing/call_logs/arrived_on=2026-03-03/a.jsonl", json_lines(record("a")))
    command("run", "--through", "2026-03-03")
    assert query(place, "select sum(calls) from billing.bill_lines") == [(1,)]
    assert "through 2026-03-03" in command("status")
    assert {path.stat().st_uid for path in (place / "published").rglob("*")} == {uid}
    assert {p: p.lstat().st_mtime_ns for p in image.environment.rglob("*")} == before
