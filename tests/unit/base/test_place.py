"""A place: how it is found, what its callbill.toml may say, and what goes before what."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from callbill.base.errors import UsageError
from callbill.base.settings import (
    FIGURE_VARS,
    NOT_IN_FILE,
    THRESHOLDS,
    Settings,
    key_in_file,
    load_settings,
    load_thresholds,
    load_vars,
    published_folder,
)
from callbill.jobs.new_place import EXAMPLES, make_place, settings_text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "acme"
    make_place(folder)
    monkeypatch.chdir(folder)
    return folder


def set_in_file(place: Path, text: str) -> None:
    (place / "callbill.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        # Appended to a new callbill.toml, whose last table is [vars].
        ("[vars]\n\nkeep_releases = 5\n",
         ", line 3: keep_releases is a setting: put it above the first [table]"),
        ("[notify]\nmemory_limit = '4GB'\n",
         "line 2: memory_limit is a setting: put it above the first [table]"),
        ("max_reject_ratio = 0.1\n", "line 1: max_reject_ratio is a var: put it below [vars]"),
        ("[notify]\nbilling_timezone = 'UTC'\n",
         "line 2: billing_timezone is a var: put it below [vars]"),
        ("[vars]\ncommand = 'true'\n", "line 2: command is a setting of [notify]: put it below"),
        ("timeout = 3\n", "line 1: timeout is a setting of [notify]: put it below [notify]"),
        # Neither here nor there.
        ("[vars]\nnosuch = 1\n", "line 2: vars.nosuch is no var; the nearest"),
        ("nosuch = 1\n", "line 1: nosuch is no setting; the nearest"),
    ],
)  # fmt: skip
def test_a_key_in_the_wrong_table_is_named_with_the_right_one(
    place: Path, text: str, says: str
) -> None:
    set_in_file(place, text)
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert says in str(refused.value)


def uncommented() -> str:
    lines = settings_text().splitlines()
    return "\n".join(
        line.removeprefix("#") if line.startswith("#") and line[1:2] != " " else line
        for line in lines
    )


def test_a_new_place_shows_every_setting_and_changes_none(place: Path) -> None:
    shown = tomllib.loads(uncommented())
    keys = {
        f"{key}.{name}" if isinstance(value, dict) else key
        for key, value in shown.items()
        if key != "vars"
        for name in (value if isinstance(value, dict) else [""])
    }
    assert keys == {key_in_file(name) for name in Settings.model_fields if name not in NOT_IN_FILE}
    assert shown["vars"].keys() == {*FIGURE_VARS, *THRESHOLDS}
    before = load_settings()
    examples = set(EXAMPLES)
    set_in_file(place, uncommented())
    after = load_settings()
    assert before.model_dump(exclude=examples) == after.model_dump(exclude=examples)
    assert load_vars(before) == load_vars(after)
    assert load_thresholds(before) == load_thresholds(after)


def test_what_lies_in_a_place_is_found_from_below_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = place / "landing" / "call_logs"
    below.mkdir()
    monkeypatch.chdir(below)
    settings = load_settings()
    assert settings.place is not None and settings.place.folder == place
    assert (settings.landing, settings.shapes) == (place / "landing", place / "shapes")
    assert settings.warehouse == place / "warehouse.duckdb"
    assert settings.catalogue == place / "catalogue"


def test_a_place_may_be_named(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_place(other)
    monkeypatch.setenv("CALLBILL_PLACE", str(other))
    assert load_settings().landing == other / "landing"
    assert load_settings(place=str(place)).landing == place / "landing"
    monkeypatch.chdir(tmp_path)
    assert load_settings(place="acme").landing == place / "landing"
    with pytest.raises(UsageError, match=r"--place: .*nowhere is no place"):
        load_settings(place="nowhere")
    assert published_folder(place="nowhere") is None


def test_without_a_place_the_data_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert (settings.place, settings.shapes) == (None, None)
    assert settings.landing == tmp_path / "data" / "landing"


def test_options_go_before_variables_before_the_file_before_defaults(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_in_file(place, 'landing = "in"\nkeep_releases = 7\n[vars]\ndeduction_rounding = "down"\n')
    settings = load_settings()
    assert (settings.landing, settings.keep_releases) == (place / "in", 7)
    assert load_vars(settings).deduction_rounding == "down"
    assert settings.source_of("keep_releases") == "callbill.toml"
    (place / "shapes" / "x").mkdir()
    monkeypatch.chdir(place / "shapes" / "x")
    # What is given by a variable is relative to the current folder, what is in the file is not.
    monkeypatch.setenv("CALLBILL_LANDING", "v")
    monkeypatch.setenv("CALLBILL_VARS", "{deduction_rounding: half_up}")
    settings = load_settings()
    assert settings.landing == Path.cwd() / "v"
    assert settings.source_of("landing") == "CALLBILL_LANDING"
    assert load_vars(settings).deduction_rounding == "half_up"
    settings = load_settings(landing="o")
    assert settings.landing == Path.cwd() / "o"
    assert settings.source_of("landing") == "--landing"
    assert settings.source_of("worker_timeout") == "default"


def test_values_of_the_file_have_their_types(place: Path) -> None:
    set_in_file(
        place,
        'through = 2026-09-30\narchived = true\npublished = "s3://bills/acme"\n'
        "[vars]\nmax_reject_ratio = 0.1\n",
    )
    settings = load_settings()
    assert (settings.through, settings.archived) == (date(2026, 9, 30), True)
    assert settings.published_store == Path("s3:/bills/acme")
    assert settings.published == published_folder() == place / "warehouse.duckdb.published"
    assert load_thresholds(settings).max_reject_ratio == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keep_release = 3", "keep_release is no setting; the nearest one is keep_releases"),
        ("Landing = 'x'", "Landing is no setting; the nearest one is landing"),
        (
            "[vars]\nmax_usage_age = 3",
            "vars.max_usage_age is no var; the nearest one is max_usage_age_days",
        ),
        ("vars = 3", "vars is a table"),
        (
            "[notify]\ncomand = 'x'",
            "notify.comand is no setting; the nearest one is notify.command",
        ),
        ("notify_command = 'x'", "notify_command is no setting"),
        ("[notify]\nwhen = 'sometimes'", "setting notify_when .*'worth'"),
        ("keep_releases 3", r"callbill.toml is not TOML: .*line 1"),
        ("keep_releases = 1", r"setting keep_releases \(callbill.toml\): .* 2"),
        ("threads = 'x'", r"setting threads \(callbill.toml\): 'x' is not a whole number"),
        ("threads = 1.5", r"threads \(callbill.toml\): .*1.5.* is not a whole number"),
        ("archived = 'perhaps'", "'perhaps' is not true or false"),
        ("through = 'soon'", "'soon' is not a date, such as 2026-08-31"),
        ("landing = 3", "3 is not a text: write it in quotes"),
        ("memory_limit = 'lots'", r"memory_limit \(callbill.toml\): 'lots' .* write 1500MB, 4GB"),
    ],
)
def test_a_file_that_says_what_nobody_understands_is_refused(
    place: Path, text: str, says: str
) -> None:
    set_in_file(place, text)
    with pytest.raises(UsageError, match=says):
        load_settings()
    # Where the status of a refused run goes is known all the same.
    assert published_folder() == place / "published"


def test_a_variable_that_is_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBILL_KEEP_RELEASE", "")
    load_settings()
    monkeypatch.setenv("CALLBILL_KEEP_RELEASE", "3")
    with pytest.raises(
        UsageError,
        match="CALLBILL_KEEP_RELEASE is no setting; the nearest one is CALLBILL_KEEP_RELEASES",
    ):
        load_settings()


def test_a_place_is_made_once(place: Path) -> None:
    with pytest.raises(UsageError, match=r"callbill.toml is there already"):
        make_place(place)
    (place / "callbill.toml").unlink()
    with pytest.raises(UsageError, match="catalogue is there already"):
        make_place(place)


def test_a_place_is_not_made_where_it_could_not_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="may not lie under owner_uin=1"):
        make_place(tmp_path / "owner_uin=1")
    assert list(tmp_path.iterdir()) == []
