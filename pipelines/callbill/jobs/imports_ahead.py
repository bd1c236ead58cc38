"""Imports Great Expectations in a thread, while DuckDB loads files.

That takes seconds, and DuckDB needs Python's interpreter only now and then.
"""

from __future__ import annotations

import sys
from threading import Thread

from callbill.quality import import_expectations


def import_ahead() -> Thread:
    """Start the import. Join the thread before you use the package."""
    thread = Thread(target=_import, name="imports", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    # Reading and unpacking files needs the interpreter often, and each time only for a moment.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        import_expectations()
    except Exception:  # the main thread imports again, and raises the error
        return
    finally:
        sys.setswitchinterval(interval)
