"""callbill: from landing files to published bills."""

__version__ = "0.6.0"
