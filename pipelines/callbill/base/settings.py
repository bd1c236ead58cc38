"""Settings: from the command's options, then `CALLBILL_*` variables, then callbill.toml of the
place, then defaults.

`Settings` says where things lie and how a command behaves. The vars that a bill depends on
(FIGURE_VARS) and the thresholds of controls (THRESHOLDS) have their defaults in dbt_project.yml.
callbill.toml sets them in its table `vars`; `--vars` goes before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from callbill.base.errors import UsageError
from callbill.base.place import PLACE_FILE, Place, find_place, nearest
from callbill.base.places import SCHEME, is_in_store
from callbill.base.yaml_files import read_yaml

_PACKAGE = Path(__file__).resolve().parent.parent
# The folder of the dbt project. A wheel has it inside the package, a checkout is that folder.
PROJECT = _PACKAGE / "project" if (_PACKAGE / "project").is_dir() else _PACKAGE.parent.parent

_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]")
_MEMORY = re.compile(r"([1-9]\d{2,5} ?Mi?B|[1-9]\d{0,4}(\.\d{1,3})? ?Gi?B|\d{1,2} ?Ti?B)")

FIGURE_VARS = (
    "billing_timezone",
    "max_usage_age_days",
    "dedup_horizon_days",
    "deduction_rounding",
)


THRESHOLDS = (
    "max_reject_ratio",
    "hourly_check_min_records",
    "usual_volume_days",
    "usual_volume_factor",
    "usual_share_min_records",
)


class Settings(BaseModel):
    """Every field can be set by an option of the same name, by `CALLBILL_<NAME>`, or in
    callbill.toml. The descriptions are what `callbill init` and `callbill config` say of them."""

    landing: Path = Field(
        default=Path("data/landing"),
        description="The folder with the files that arrive, or s3://bucket/prefix.",
    )
    warehouse: Path = Field(
        default=Path("data/warehouse.duckdb"),
        description="The warehouse file. Parquet files lie beside it.",
    )
    published: Path = Field(
        default=Path("data/published"),
        description="The folder that releases are published to, or s3://bucket/prefix.",
    )
    catalogue: Path = Field(
        default_factory=lambda: PROJECT / "seeds",
        description="The folder of the catalogue: products, components, prices.",
    )
    shapes: Path | None = Field(default=None, description="The folder of your own log shapes.")
    through: date | None = Field(
        default=None, description="The last date to settle. Usually today in the billing timezone."
    )
    vars: str = Field(
        default="", description="Vars as YAML, as an option or a variable: {name: value}."
    )
    archived: bool = Field(
        default=False,
        description="Whether earlier files were moved out of the landing folder on purpose.",
    )
    issuer: str = Field(
        default="",
        description="Who bills, as statements say it. Usually the invoice_issuer_name of the"
        " products on a bill (catalogue/focus_services.csv).",
    )
    keep_releases: int = Field(default=30, ge=2, description="How many releases are kept.")
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="Threads of the engine. Usually all processors."
    )
    buckets: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Into how many parts a new warehouse divides its calls. Usually 1.",
    )
    files: Path | None = Field(
        default=None,
        description="An s3://bucket/prefix by way of which tasks get and give files. Without one,"
        " workers need the warehouse's folder.",
    )
    workers: str = Field(
        default="",
        description="Where tasks run: so many processes, spark://, sc:// or dask://host:port."
        " Usually in this process.",
    )
    worker_timeout: int = Field(
        default=4 * 3600, ge=1, description="Seconds without an answer of a worker that end a run."
    )
    store_timeout: int = Field(
        default=180, ge=1, description="Seconds for which an object store is asked again."
    )
    # A single day needs at least about 100 MB.
    memory_limit: str = Field(
        default="1500MB",
        description="The most memory of the engine, such as 1500MB or 4GB.",
    )
    notify_command: str = Field(
        default="",
        description="A line of shell that is run after a run, with its outcome as JSON on standard"
        " input.",
    )
    notify_when: Literal["always", "worth", "failure"] = Field(
        default="worth",
        description="After which runs: always, failure, or worth (failed, warned, left out).",
    )
    notify_timeout: int = Field(
        default=30, ge=1, le=3600, description="Seconds after which the command is ended."
    )

    # Not settings of their own: `load_settings` finds them.
    _published_store: Path | None = PrivateAttr(default=None)
    _place: Place | None = PrivateAttr(default=None)
    # The candidate that a command reads instead of the current release.
    _candidate: str | None = PrivateAttr(default=None)
    # The table `vars` of callbill.toml.
    _vars_of_place: dict[str, Any] = PrivateAttr(default_factory=dict)
    # Where each value comes from: an option, a variable, callbill.toml. Defaults are not in it.
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def published_store(self) -> Path | None:
        """The place in a store that `published` mirrors, None if releases are published to a
        folder."""
        return self._published_store

    @property
    def place(self) -> Place | None:
        """The place that the command works in, None without one."""
        return self._place

    @property
    def candidate(self) -> str | None:
        """The run id, or its beginning, of the candidate that a command reads instead of the
        current release."""
        return self._candidate

    def reading(self, candidate: str | None) -> Settings:
        """The settings of a command that reads a candidate; None: the current release."""
        settings = self.model_copy()
        settings._candidate = candidate
        return settings

    @property
    def vars_of_place(self) -> Mapping[str, Any]:
        """The vars that callbill.toml sets."""
        return self._vars_of_place

    def source_of(self, name: str) -> str:
        """Where the value of a setting comes from."""
        return self._sources.get(name, "default")

    def memory_of_each(self, count: int) -> str:
        """The memory limit of each of so many processes, in whole megabytes."""
        number, unit = re.fullmatch(r"([\d.]+) ?(\w+)", self.memory_limit).groups()  # type: ignore[union-attr]
        megabytes = {"M": 1, "G": 1000, "T": 1000**2}[unit[0]]
        return f"{max(int(float(number) * megabytes / count), 100)}{'MiB' if 'i' in unit else 'MB'}"

    def threads_of_each(self, count: int) -> int:
        """The threads of each of so many processes."""
        return max((self.threads or os.cpu_count() or 1) // count, 1)

    @property
    def warehouse_files(self) -> Path:
        """The folder beside the warehouse file that holds its Parquet files."""
        return self.warehouse.with_name(self.warehouse.name + ".files")


# What lies in a place, and under which names if its callbill.toml does not say otherwise.
PLACE_DEFAULTS = {
    "landing": Path("landing"),
    "warehouse": Path("warehouse.duckdb"),
    "published": Path("published"),
    "catalogue": Path("catalogue"),
    "shapes": Path("shapes"),
}
# Variables that are no settings: which place, the engine of earlier versions, and `dbt build`.
_OTHER_VARIABLES = ("place", "engine", "warehouse_files")
# Settings of a command, which make no sense in a file.
NOT_IN_FILE = ("vars",)
# Tables of callbill.toml: `command` in `[notify]` is the setting `notify_command`.
TABLES = ("notify",)


def key_in_file(name: str) -> str:
    """The key of a setting in callbill.toml."""
    table, _, key = name.partition("_")
    return f"{table}.{key}" if table in TABLES else name


@dataclass(frozen=True)
class BillingVars:
    """The dbt vars that a bill depends on."""

    billing_timezone: str
    max_usage_age_days: int
    dedup_horizon_days: int
    deduction_rounding: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.billing_timezone)

    @property
    def horizon_days(self) -> int:
        """The most days between the settlement dates of two records of one call. The macro
        dedup_horizon_days states the same rule in SQL."""
        return max(self.dedup_horizon_days, self.max_usage_age_days)

    def today(self) -> date:
        """Today in the billing timezone. Nothing else that a figure depends on reads the clock."""
        return datetime.now(self.zone).date()


@dataclass(frozen=True)
class Thresholds:
    """The dbt vars that set when a control warns. No figure depends on them."""

    max_reject_ratio: Decimal
    hourly_check_min_records: int
    usual_volume_days: int
    usual_volume_factor: int
    usual_share_min_records: int


# Names that DuckDB resolves to a schema or to another attached database.
_RESERVED_NAMES = (
    *("billing", "ops", "raw", "staging", "intermediate", "seeds"),
    *("release", "sealed", "main", "system", "temp", "memory"),
)


# Columns of the warehouse's Parquet files. DuckDB takes a folder `column=value` of a path, wherever
# it stands, for a column of all files below it.
COLUMNS_OF_FILES = frozenset(
    (
        *("request_id", "called_at", "owner_uin", "operate_uin", "action", "region"),
        *("http_status", "error_code", "latency_ms", "attributes", "source_file_id", "usage_date"),
        "settled_on",
        *("settlement_floor", "component_code", "records", "disposition", "calls_billed"),
        *("request_hash", "has_failure", "first_owner", "last_owner", "first_component"),
        *("last_component", "void_on", "chargeable_on", "chargeable_is_rated", "outcome"),
        *("previous_usage_date", "previous_owner_uin", "previous_operate_uin"),
        *("previous_component_code", "previous_outcome"),
    )
)


def published_folder(**options: Any) -> Path | None:
    """The absolute path of the published folder, even if another setting is not valid. None if a
    place is named that is none."""
    try:
        place = find_place(options.pop("place", None))
    except UsageError:
        return None
    try:
        file = _settings_of(place.read()) if place else {}
    except UsageError:
        file = {}
    values, _sources = _values(options, place, file)
    published, warehouse = (
        _absolute(Path(values.get(name, Settings.model_fields[name].default)))
        for name in ("published", "warehouse")
    )
    return mirror_of(warehouse) if is_in_store(published) else published


def mirror_of(warehouse: Path) -> Path:
    """The published folder of this machine that mirrors a place in a store."""
    return warehouse.with_name(warehouse.name + ".published")


def load_settings(**options: Any) -> Settings:
    """The settings, with absolute paths. An option that is None counts as not given. The option
    `place` names the place.

    Raises UsageError for a value that is not valid, for a variable `CALLBILL_…` or a key of
    callbill.toml that is no setting, and for a place that is none.
    """
    _check_variables()
    place = find_place(options.pop("place", None))
    content = place.read() if place else {}
    vars_of_place = content.pop("vars", {})
    if place:
        _check_keys(place, content, vars_of_place)
    file = _settings_of(content)
    values, sources = _values(options, place, file)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = sources.get(name, "default")
        raise UsageError(f"setting {name} ({source}): {_fault(first)}") from error
    if not _MEMORY.fullmatch(settings.memory_limit):
        raise UsageError(
            f"setting memory_limit ({sources.get('memory_limit', 'default')}): "
            f"{settings.memory_limit!r} is not an amount of memory: write 1500MB, 4GB or 1.5GiB, "
            "at least 100MB"
        )
    check_paths(settings.warehouse, settings.published)
    for name in ("landing", "published"):
        _check_store(f"--{name}", getattr(settings, name))
    if settings.files is not None:
        _check_store("setting files", settings.files, is_required=True)
    places = {name: _absolute(getattr(settings, name)) for name in PLACE_DEFAULTS if name in values}
    places |= {
        name: _absolute(getattr(settings, name))
        for name in ("landing", "warehouse", "published", "catalogue")
    }
    if is_in_store(places["warehouse"]):
        raise UsageError("--warehouse has to be a file of this machine")
    store = None
    if is_in_store(places["published"]):
        store = places["published"]
        places["published"] = mirror_of(places["warehouse"])
    settings = settings.model_copy(update=places)
    settings._published_store = store
    settings._place = place
    settings._vars_of_place = vars_of_place
    settings._sources = sources
    return settings


def _fault(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, in a sentence of ours for the usual mistakes."""
    kind = str(error["type"]).split("_")[0]
    expected = {
        "int": "a whole number, such as 4",
        "bool": "true or false",
        "date": "a date, such as 2026-08-31",
        "path": "a text: write it in quotes",
        "string": "a text: write it in quotes",
    }.get(kind)
    if expected is None:
        return f"{error['msg']} (got {error['input']!r})"
    return f"{error['input']!r} is not {expected}"


def _values(
    options: Mapping[str, Any], place: Place | None, file: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of settings that are given, and where each comes from. The file's paths are
    relative to the place, those of options and variables to the current folder."""
    values: dict[str, Any] = dict(PLACE_DEFAULTS) if place else {}
    sources: dict[str, str] = {}
    for name, value in file.items():
        values[name], sources[name] = value, PLACE_FILE
    if place:
        for name in PLACE_DEFAULTS:
            if isinstance(values[name], str | Path) and not is_in_store(Path(values[name])):
                values[name] = place.folder / Path(values[name]).expanduser()
    variables = {name: text for name, text in _variables().items() if text}
    for name in Settings.model_fields:
        if options.get(name) is not None:
            values[name], sources[name] = options[name], f"--{name.replace('_', '-')}"
        elif name in variables:
            values[name], sources[name] = variables[name], f"CALLBILL_{name.upper()}"
    return values, sources


def _variables() -> dict[str, str]:
    """The variables `CALLBILL_…`, by the rest of their names."""
    prefix = "CALLBILL_"
    return {
        name[len(prefix) :].lower(): text
        for name, text in os.environ.items()
        if name.upper().startswith(prefix)
    }


def _check_variables() -> None:
    variables = {name: text for name, text in _variables().items() if text}
    engine = variables.get("engine", "duckdb").lower()
    if engine != "duckdb":
        raise UsageError(
            f"CALLBILL_ENGINE is {engine!r}, but callbill has one engine now, DuckDB: unset it; "
            "`callbill rebuild` makes a warehouse anew that was built with Spark"
        )
    known = (*Settings.model_fields, *_OTHER_VARIABLES)
    for name in sorted(variables):
        if name not in known:
            raise UsageError(
                f"CALLBILL_{name.upper()} is no setting; the nearest one is "
                f"CALLBILL_{nearest(name, known).upper()}"
            )


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of callbill.toml, those of tables as `table.key`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": v for name, v in value.items()}
        else:
            flat[key] = value
    return flat


def _settings_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that callbill.toml sets, by name."""
    names = {key_in_file(name): name for name in Settings.model_fields}
    return {names[key]: value for key, value in _flat(content).items() if key in names}


def _check_keys(place: Place, content: Mapping[str, Any], vars_of_place: Any) -> None:
    """Raises UsageError for a key of callbill.toml that is no setting."""
    known = tuple(key_in_file(name) for name in Settings.model_fields if name not in NOT_IN_FILE)
    for key in _flat(content):
        if key not in known:
            raise UsageError(
                f"{place.file}{_line_of(place, key)}: "
                + (
                    _right_table(key)
                    or f"{key} is no setting; the nearest one is {nearest(key, known)}"
                )
            )
    if not isinstance(vars_of_place, dict):
        raise UsageError(f"{place.file}: vars is a table: write [vars] above its lines")
    names = (*FIGURE_VARS, *THRESHOLDS)
    for key in vars_of_place:
        if key not in names:
            key = f"vars.{key}"
            raise UsageError(
                f"{place.file}{_line_of(place, key)}: "
                + (
                    _right_table(key)
                    or f"{key} is no var; the nearest one is {nearest(key[5:], names)}"
                )
            )


def _right_table(key: str) -> str:
    """Where a key of callbill.toml belongs, if it is one and stands below another table: a line
    that is added at the end of the file belongs to the last table. Otherwise empty."""
    name = key.rpartition(".")[2]
    if name in (*FIGURE_VARS, *THRESHOLDS):
        return f"{name} is a var: put it below [vars]"
    if name in Settings.model_fields and key_in_file(name) == name and name not in NOT_IN_FILE:
        return f"{name} is a setting: put it above the first [table]"
    for table in TABLES:
        if f"{table}_{name}" in Settings.model_fields:
            return f"{name} is a setting of [{table}]: put it below [{table}]"
    return ""


def _line_of(place: Place, key: str) -> str:
    """Which line of callbill.toml has a key, as part of a sentence; empty if that is not plain."""
    table, _, name = key.rpartition(".")
    here = ""
    lines = place.file.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, 1):
        text = line.split("#")[0].strip()
        if text.startswith("[") and text.endswith("]"):
            here = text.strip("[] ")
        elif here == table and text.split("=")[0].strip().strip("\"'") == name:
            return f", line {number}"
    return ""


def check_paths(warehouse: Path, published: Path) -> None:
    """Raises UsageError for paths that DuckDB would read otherwise than they are meant."""
    for name, place in (("warehouse", warehouse), ("published", published)):
        # DuckDB reads these characters in a path as a pattern.
        if set(str(place.absolute())) & set("*?[]"):
            raise UsageError(f"--{name} may not lie under a name with any of * ? [ ]")
        for part in place.absolute().parts:
            if "=" in part and part.split("=")[0].lower() in COLUMNS_OF_FILES:
                raise UsageError(
                    f"--{name} may not lie under {part}: DuckDB would read that as a column"
                )
    # DuckDB names a database after its file, and that name would hide a schema's.
    if warehouse.name.split(".")[0].lower() in _RESERVED_NAMES:
        raise UsageError(
            f"--warehouse may not be named {warehouse.name}: that is the name of a part of it"
        )


def _check_store(name: str, path: Path, *, is_required: bool = False) -> None:
    """Raises UsageError for a path that is meant as a place in a store, and is none. It is not
    repeated, because it may have a password in it."""
    scheme, *rest = path.parts or ("",)
    is_meant = scheme.lower() in (SCHEME, "cos:", "gs:", "az:", "http:", "https:")
    if not is_meant and not is_required:
        return
    is_place = rest and _BUCKET.fullmatch(rest[0]) and not {".", ".."} & set(rest)
    if scheme != SCHEME or not is_place:
        raise UsageError(f"{name} is no place in a store: write s3://bucket or s3://bucket/prefix")


def _absolute(path: Path) -> Path:
    return path if is_in_store(path) else path.expanduser().absolute()


def load_vars(settings: Settings) -> BillingVars:
    """The vars that figures depend on: from `--vars`, then callbill.toml, then dbt_project.yml.

    Raises UsageError for a value that is not valid.
    """
    values = _vars(settings)
    billing_vars = BillingVars(**{name: values[name] for name in FIGURE_VARS})
    try:
        _ = billing_vars.zone
    except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
        raise UsageError(
            f"var billing_timezone: {billing_vars.billing_timezone!r} is not a time zone"
        ) from error
    for name in ("max_usage_age_days", "dedup_horizon_days"):
        value = getattr(billing_vars, name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 36_500:
            raise UsageError(f"var {name}: {value!r} is not a number of days")
    if billing_vars.deduction_rounding not in ("half_up", "down"):
        raise UsageError(
            f"var deduction_rounding: {billing_vars.deduction_rounding!r} is neither half_up "
            "nor down"
        )
    return billing_vars


def today_or_utc(settings: Settings) -> date:
    """Today in the billing timezone, or in UTC if that var is not valid."""
    try:
        return load_vars(settings).today()
    except UsageError:
        return datetime.now(UTC).date()


def load_thresholds(settings: Settings) -> Thresholds:
    """The thresholds of the controls: from `--vars`, then callbill.toml, then dbt_project.yml.

    Raises UsageError for a value that is not valid.
    """
    values = _vars(settings)
    for name in THRESHOLDS:
        least = 0 if name in ("max_reject_ratio", "hourly_check_min_records") else 1
        value = values[name]
        kinds = (int, float, Decimal) if name == "max_reject_ratio" else (int,)
        if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value < 10**6:
            raise UsageError(f"var {name}: {value!r} is not a number from {least} on")
    ratio = Decimal(str(values["max_reject_ratio"]))
    return Thresholds(**{name: values[name] for name in THRESHOLDS} | {"max_reject_ratio": ratio})


def _vars(settings: Settings) -> dict[str, Any]:
    return {name: value for name, (value, _source) in vars_with_sources(settings).items()}


def vars_with_sources(settings: Settings) -> dict[str, tuple[Any, str]]:
    """The vars, and where each comes from."""
    project = read_yaml(PROJECT / "dbt_project.yml")
    overrides = _parse_overrides(settings.vars)
    return {
        name: (overrides[name], settings.source_of("vars"))
        if name in overrides
        else (settings.vars_of_place[name], PLACE_FILE)
        if name in settings.vars_of_place
        else (value, "default")
        for name, value in project["vars"].items()
    }


def _parse_overrides(text: str) -> dict[str, Any]:
    try:
        overrides = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise UsageError(f"--vars is not YAML: {text!r}") from error
    names = (*FIGURE_VARS, *THRESHOLDS)
    if not isinstance(overrides, dict):
        raise UsageError(f"--vars takes a YAML mapping of {', '.join(names)}; got {text!r}")
    for name in overrides:
        if name not in names:
            raise UsageError(
                f"--vars: {name} is no var; the nearest one is {nearest(str(name), names)}"
            )
    return overrides
