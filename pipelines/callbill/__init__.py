"""callbill: from landing files to published bills."""

__version__ = "0.7.0"
