"""Imports dbt and Great Expectations in a thread, while DuckDB loads files.

Both take seconds to import, and DuckDB needs Python's interpreter only now and then.
"""

from __future__ import annotations

import sys
from threading import Thread

from callbill.quality import import_expectations
from callbill.warehouse.dbt import import_dbt


def import_ahead() -> Thread:
    """Start the imports. Join the thread before you use either package."""
    thread = Thread(target=_import, name="imports", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    # Reading and unpacking files needs the interpreter often, and each time only for a moment.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        for importing in (import_dbt, import_expectations):
            importing()
    except Exception:  # the main thread imports again, and raises the error
        return
    finally:
        sys.setswitchinterval(interval)
