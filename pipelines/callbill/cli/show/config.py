"""The settings, and where each value comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callbill.base.places import shown, shown_address
from callbill.base.settings import NOT_IN_FILE, Settings, vars_with_sources
from callbill.cli.show.console import open_console, table_of


def show_config(settings: Settings, *, as_json: bool) -> None:
    rows = [
        (name, _value(settings, name), settings.source_of(name))
        for name in Settings.model_fields
        if name not in NOT_IN_FILE
    ]
    rows += [
        (f"vars.{name}", value, source)
        for name, (value, source) in vars_with_sources(settings).items()
    ]
    place = settings.place
    if as_json:
        content = {
            "place": str(place.folder) if place else None,
            "settings": {name: {"value": value, "source": source} for name, value, source in rows},
        }
        print(json.dumps(content, indent=1, default=str, ensure_ascii=False))
        return
    console = open_console()
    if place:
        console.print(f"Place {place.folder}, found by {place.found_by}.", soft_wrap=True)
    else:
        console.print("There is no place here; `callbill init` makes one.")
    cells = [(name, "" if value is None else value, source) for name, value, source in rows]
    console.print(table_of("Settings", ("setting", "value", "comes from"), cells))


def _value(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    if name == "published" and settings.published_store:
        value = settings.published_store
    if name == "workers":
        value = shown_address(value)
    return shown(value) if isinstance(value, Path) else value
