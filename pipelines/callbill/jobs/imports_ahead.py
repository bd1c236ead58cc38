"""Importing what takes seconds to import while the engine is at work."""

from __future__ import annotations

import sys
from threading import Thread

from callbill.quality import import_expectations
from callbill.warehouse.dbt import import_dbt


def import_ahead() -> Thread:
    """Import dbt and Great Expectations from now on, to be joined before they are used: while the
    engine works it leaves the interpreter alone, and now and then a processor too."""
    thread = Thread(target=_import, name="imports", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    # What reads and unpacks files needs the interpreter often and for no time at all.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        for importing in (import_dbt, import_expectations):
            importing()
    except Exception:  # whoever needs it imports it again, and is told
        return
    finally:
        sys.setswitchinterval(interval)
