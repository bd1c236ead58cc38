"""Leaves no holes in this process's heap, so that what is forked from it does not write into them.

A forked process shares memory with this one until it writes there. What was freed here lies in
small pieces among what is still in use: to get memory from these pieces, a run would copy some six
thousand pages, a fifth of all that it writes to. With the pieces taken, it gets memory of its own.
"""

from __future__ import annotations

import ctypes

_LARGEST, _SMALLEST = 1 << 20, 32


class _Heap(ctypes.Structure):
    """What glibc's mallinfo2() tells of the heap."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def fill_holes() -> None:
    """Take what is free below the end of the heap, the largest pieces first. Where the C library is
    another than glibc, nothing is done."""
    c = ctypes.CDLL(None)
    if not hasattr(c, "mallinfo2"):
        return
    c.mallinfo2.restype = _Heap
    c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    c.free.argtypes = [ctypes.c_void_p]
    c.sbrk.restype, c.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    c.malloc_trim(0)
    end = c.sbrk(0) - c.mallinfo2().keepcost
    size = _LARGEST
    while size >= _SMALLEST:
        piece = c.malloc(size)
        if piece >= end:  # no piece of that size is left
            c.free(piece)
            size -= max(16, size // 16)
