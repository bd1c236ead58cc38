"""Has libraries remember what they work out again and again in runs that are forked from a process.

Templates are compiled once, the project's files and the versions of packages are read once. dbt
makes no messages of its events, which a run has it keep to itself, and parses nothing again for
other vars. Databases have small blocks.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from types import CodeType
from typing import Any

import jinja2
import parsedatetime
import yaml
from callbill.base import yaml_files
from callbill.quality.lean_import import import_expectations
from callbill.release import database, writing
from callbill.release.site import dbt_docs
from callbill.tasks import look
from callbill.warehouse import dbt, opening, plan
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import ManifestLoader
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.events.base_types import BaseEvent
from dbt_common.events.event_manager import EventManager

from tests.support.project import PROJECT

# What a template's code depends on beside its text.
_OPTIONS = (
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "line_statement_prefix",
    "line_comment_prefix",
    "trim_blocks",
    "lstrip_blocks",
    "newline_sequence",
    "keep_trailing_newline",
    "optimized",
    "finalize",
    "autoescape",
    "is_async",
)


def make() -> None:
    _compile_once()
    _read_once()
    _leave_out_events()
    _parse_once_for_all_vars()
    _make_expectations_once()
    _write_small_databases()
    # The same reader, in C.
    yaml.SafeLoader = yaml.CSafeLoader
    parsedatetime.Constants = cache(parsedatetime.Constants)
    # Looks at all frames of the stack, for a message that is left out.
    BehaviorFlagRendered._default_source = staticmethod(lambda: "tests")


def _compile_once() -> None:
    compile_ = jinja2.Environment.compile
    compiled: dict[tuple[object, ...], CodeType | str] = {}

    def compile_once(self: jinja2.Environment, source: Any, *args: Any, **named: Any) -> Any:
        if not isinstance(source, str):
            return compile_(self, source, *args, **named)
        options = (_known_as(getattr(self, option)) for option in _OPTIONS)
        key = (
            type(self), source, args, *sorted(named.items()), *sorted(self.extensions), *options
        )  # fmt: skip
        if key not in compiled:
            compiled[key] = compile_(self, source, *args, **named)
        return compiled[key]

    jinja2.Environment.compile = compile_once  # type: ignore[method-assign, assignment]


def _known_as(option: object) -> object:
    return option.__qualname__ if callable(option) else option  # type: ignore[attr-defined]


def _read_once() -> None:
    """Read once what no test changes: YAML by its text, versions, the hash of the project itself.
    Tests that change models have a copy of the project."""
    parsed: dict[str, bytes] = {}
    parse = yaml_files.parse_yaml

    def parse_once(text: str) -> Any:
        if text not in parsed:
            parsed[text] = pickle.dumps(parse(text))
        return pickle.loads(parsed[text])  # noqa: S301  a copy, which the caller may change

    hashes: dict[str, str] = {}
    files_hash = dbt.files_hash

    def hash_once(patterns: Iterable[str], *told: object) -> str:
        if dbt.PROJECT != PROJECT:
            return files_hash(patterns, *told)
        key = repr((patterns, told))
        if key not in hashes:
            hashes[key] = files_hash(patterns, *told)
        return hashes[key]

    yaml_files.parse_yaml = parse_once
    plan.files_hash = dbt_docs.files_hash = hash_once
    version_once = cache(version)
    for module in (dbt_docs, look, plan, writing):
        module.version = version_once  # type: ignore[attr-defined]


def _leave_out_events() -> None:
    def without_words(self: BaseEvent, *_args: Any, **_named: Any) -> None:
        self.pb_msg = getattr(self.PROTO_TYPES_MODULE, type(self).__name__)()

    def fire_nothing(*_args: Any, **_named: Any) -> None:
        pass

    BaseEvent.__init__ = without_words  # type: ignore[method-assign]
    EventManager.fire_event = fire_nothing  # type: ignore[method-assign]


def _parse_once_for_all_vars() -> None:
    """Models ask for vars in their SQL alone (test_compiled_models.py holds it), which dbt renders
    when it compiles them."""
    is_parsable = ManifestLoader.is_partial_parsable

    def is_parsable_by_any_vars(self: ManifestLoader, manifest: Manifest) -> Any:
        manifest.state_check.vars_hash = self.manifest.state_check.vars_hash
        return is_parsable(self, manifest)

    ManifestLoader.is_partial_parsable = is_parsable_by_any_vars  # type: ignore[method-assign]


def _make_expectations_once() -> None:
    """Great Expectations makes an expectation of its configuration six times for each control."""
    # As a run imports it: without what controls do not use, there is less for a fork to copy.
    import_expectations()
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    make_ = ExpectationConfiguration.to_domain_obj
    made: dict[tuple[object, ...], Expectation] = {}

    def make_once(self: ExpectationConfiguration) -> Expectation:
        key = (self.type, *sorted(self.kwargs.items()), self.description, self.severity)
        if key not in made:
            made[key] = make_(self)
        return made[key]

    ExpectationConfiguration.to_domain_obj = make_once  # type: ignore[method-assign]


def _write_small_databases() -> None:
    """A run writes hundreds of columns with few rows each. Every one takes a block in memory and
    much of one in the file, and is tried with each way to compress it."""
    small_blocks = f"{opening.STORAGE_VERSION}, block_size 16384"
    opening.STORAGE_VERSION = database.STORAGE_VERSION = small_blocks
    # To try them all takes longer than to write so few rows as they are.
    opening._SESSION["disabled_compression_methods"] = (
        "fsst,dict_fsst,dictionary,rle,bitpacking,roaring,alp,alprd,zstd"
    )
