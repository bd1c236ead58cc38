"""Settings: from the command's options, then `CALLBILL_*` variables, then defaults.

`Settings` says where things lie and how a command behaves. The vars that a bill depends on
(FIGURE_VARS) and the thresholds of controls (THRESHOLDS) are in dbt_project.yml. `--vars` replaces
them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import Field, PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from callbill.base.errors import UsageError
from callbill.base.places import SCHEME, is_in_store
from callbill.base.yaml_files import read_yaml

_PACKAGE = Path(__file__).resolve().parent.parent
# The folder of the dbt project. A wheel has it inside the package, a checkout is that folder.
PROJECT = _PACKAGE / "project" if (_PACKAGE / "project").is_dir() else _PACKAGE.parent.parent

_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]")

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


class _Places(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CALLBILL_", env_ignore_empty=True, extra="ignore")

    landing: Path = Path("data/landing")
    warehouse: Path = Path("data/warehouse.duckdb")
    published: Path = Path("data/published")

    @property
    def mirror(self) -> Path:
        """The published folder of this machine that mirrors a place in a store."""
        return self.warehouse.with_name(self.warehouse.name + ".published")


class Settings(_Places):
    """Every field can be set by an option of the same name or by `CALLBILL_<NAME>`."""

    through: date | None = None
    vars: str = ""
    # Whether earlier files were moved out of the landing folder on purpose.
    archived: bool = False
    keep_releases: int = Field(default=30, ge=2)
    threads: int | None = Field(default=None, ge=1, le=1024)
    # Into how many parts a new warehouse divides its calls. One that exists keeps its number.
    buckets: int | None = Field(default=None, ge=1, le=4096)
    # Where tasks run: in this process, in so many processes, on a cluster (docs/cluster.md).
    workers: str = ""
    # After so many seconds without an answer of a worker the run ends.
    worker_timeout: int = Field(default=4 * 3600, ge=1)
    # A single day needs at least about 100 MB.
    memory_limit: str = Field(
        default="1500MB",
        pattern=r"^([1-9]\d{2,5} ?Mi?B|[1-9]\d{0,4}(\.\d{1,3})? ?Gi?B|\d{1,2} ?Ti?B)$",
    )

    # Not a setting of its own: `load_settings` finds it in `published`.
    _published_store: Path | None = PrivateAttr(default=None)

    @property
    def published_store(self) -> Path | None:
        """The place in a store that `published` mirrors, None if releases are published to a
        folder."""
        return self._published_store

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
        *("http_status", "error_code", "latency_ms", "source_file_id", "usage_date", "settled_on"),
        *("settlement_floor", "component_code", "records", "disposition", "calls_billed"),
        *("request_hash", "has_failure", "first_owner", "last_owner", "first_component"),
        *("last_component", "void_on", "chargeable_on", "chargeable_is_rated", "outcome"),
        *("previous_usage_date", "previous_owner_uin", "previous_operate_uin"),
        *("previous_component_code", "previous_outcome"),
    )
)


def published_folder(**options: Any) -> Path:
    """The absolute path of the published folder, even if another setting is not valid."""
    places = {key: value for key, value in options.items() if value is not None}
    settings = _Places(**places)
    in_store = is_in_store(settings.published)
    return _absolute(settings.mirror if in_store else settings.published)


def load_settings(**options: Any) -> Settings:
    """The settings, with absolute paths. An option that is None counts as not given.

    Raises UsageError for a value that is not valid.
    """
    engine = os.environ.get("CALLBILL_ENGINE", "duckdb").lower()
    if engine != "duckdb":
        raise UsageError(
            f"CALLBILL_ENGINE is {engine!r}, but callbill has one engine now, DuckDB: unset it; "
            "`callbill rebuild` makes a warehouse anew that was built with Spark"
        )
    try:
        settings = Settings(**{key: value for key, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"setting {name}: {first['msg']} (got {first['input']!r})") from error
    for name in ("warehouse", "published"):
        # DuckDB reads these characters in a path as a pattern.
        if set(str(getattr(settings, name).absolute())) & set("*?[]"):
            raise UsageError(f"--{name} may not lie under a name with any of * ? [ ]")
        for part in getattr(settings, name).absolute().parts:
            if "=" in part and part.split("=")[0].lower() in COLUMNS_OF_FILES:
                raise UsageError(
                    f"--{name} may not lie under {part}: DuckDB would read that as a column"
                )
    # DuckDB names a database after its file, and that name would hide a schema's.
    if settings.warehouse.name.split(".")[0].lower() in _RESERVED_NAMES:
        raise UsageError(
            f"--warehouse may not be named {settings.warehouse.name}: that is the name of a part "
            "of it"
        )
    for name in ("landing", "published"):
        _check_store(name, getattr(settings, name))
    places = {
        name: _absolute(getattr(settings, name)) for name in ("landing", "warehouse", "published")
    }
    if is_in_store(places["warehouse"]):
        raise UsageError("--warehouse has to be a file of this machine")
    store = None
    if is_in_store(places["published"]):
        store = places["published"]
        places["published"] = _absolute(settings.mirror)
    settings = settings.model_copy(update=places)
    settings._published_store = store
    return settings


def _check_store(name: str, path: Path) -> None:
    """Raises UsageError for a path that is meant as a place in a store, and is none. It is not
    repeated, because it may have a password in it."""
    scheme, *rest = path.parts or ("",)
    if scheme.lower() not in (SCHEME, "cos:", "gs:", "az:", "http:", "https:"):
        return
    is_place = rest and _BUCKET.fullmatch(rest[0]) and not {".", ".."} & set(rest)
    if scheme != SCHEME or not is_place:
        raise UsageError(
            f"--{name} is no place in a store: write s3://bucket or s3://bucket/prefix"
        )


def _absolute(path: Path) -> Path:
    return path if is_in_store(path) else path.expanduser().absolute()


def load_vars(settings: Settings) -> BillingVars:
    """The vars that figures depend on: from `--vars`, otherwise from dbt_project.yml.

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
    """The thresholds of the controls: from `--vars`, otherwise from dbt_project.yml.

    Raises UsageError for a value that is not valid.
    """
    values = _vars(settings)
    for name in THRESHOLDS:
        least = 0 if name in ("max_reject_ratio", "hourly_check_min_records") else 1
        value = values[name]
        kinds = (int, float) if name == "max_reject_ratio" else (int,)
        if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value < 10**6:
            raise UsageError(f"var {name}: {value!r} is not a number from {least} on")
    ratio = Decimal(str(values["max_reject_ratio"]))
    return Thresholds(**{name: values[name] for name in THRESHOLDS} | {"max_reject_ratio": ratio})


def _vars(settings: Settings) -> dict[str, Any]:
    project = read_yaml(PROJECT / "dbt_project.yml")
    return dict(project["vars"]) | _parse_overrides(settings.vars)


def _parse_overrides(text: str) -> dict[str, Any]:
    try:
        overrides = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise UsageError(f"--vars is not YAML: {text!r}") from error
    names = (*FIGURE_VARS, *THRESHOLDS)
    if not isinstance(overrides, dict) or set(overrides) - set(names):
        raise UsageError(f"--vars takes a YAML mapping of {', '.join(names)}; got {text!r}")
    return overrides
