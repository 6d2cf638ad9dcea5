"""The guard of the recorder without the core: a handler of SIGBUS written in Python, called through ctypes.

A store of ours is made under the interpreter's lock, and the handler is called in the middle of it, on the same thread:
it may therefore run Python code, which a handler of a signal that comes at any time could not. It is in place only where
files are mapped without the core.
"""

from __future__ import annotations

import atexit
import ctypes
import mmap
import os
import signal
from typing import Any

__all__ = ["Guard", "populate", "sync"]

_MADV_POPULATE_WRITE = 23
_MAP_FIXED = 0x10
_MS_SYNC = 4
_SA_SIGINFO, _SA_NODEFER = 4, 0x40000000
_ADDRESS_AT = 16  # of si_addr in siginfo_t, on 64 bits
_PAGE = mmap.PAGESIZE
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_SimpleHandler = ctypes.CFUNCTYPE(None, ctypes.c_int)

_free = ctypes.CDLL(None, use_errno=True)  # its calls let the interpreter's lock go
_held = ctypes.PyDLL(None)  # its calls keep it
_held.mmap.restype = ctypes.c_void_p
_held.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_free.madvise.argtypes = _free.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class _Action(ctypes.Structure):
    """``struct sigaction`` as glibc and musl have it."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_byte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_guards: dict[int, Guard] = {}
_before = _Action()  # whose turn it is where the map is none of ours
_handing_on = False


def _on_bus_error(number: int, info: int, context: int) -> None:
    at = ctypes.c_void_p.from_address(info + _ADDRESS_AT).value or 0
    for guard in tuple(_guards.values()):
        if guard.start <= at < guard.end:
            page = at - at % _PAGE
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
            if _held.mmap(page, guard.end - page, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0) == page:
                guard.broken = True
                return  # the store is done again, into memory that nobody will read
    _hand_on(number, info, context)


def _hand_on(number: int, info: int, context: int) -> None:
    global _handing_on
    if _handing_on:
        _held.sigaction(number, ctypes.byref(_Action()), None)
        return
    _handing_on = True
    if _before.flags & _SA_SIGINFO and _before.handler:
        _Handler(_before.handler)(number, info, context)
    elif (_before.handler or 0) > 1:
        _SimpleHandler(_before.handler)(number)
    else:
        _restore()  # let it happen again as if we were not there
    _handing_on = False


_handler = _Handler(_on_bus_error)
_address = ctypes.cast(_handler, ctypes.c_void_p).value


def _current() -> _Action:
    now = _Action()
    if _held.sigaction(int(signal.SIGBUS), None, ctypes.byref(now)) != 0:
        raise OSError("the handler of SIGBUS cannot be read")
    return now


def _install() -> None:
    now = _current()
    if now.handler == _address:
        return
    ctypes.memmove(ctypes.byref(_before), ctypes.byref(now), ctypes.sizeof(_Action))
    ours = _Action(handler=_address, flags=_SA_SIGINFO | _SA_NODEFER)
    if _held.sigaction(int(signal.SIGBUS), ctypes.byref(ours), None) != 0:
        raise OSError("no handler of SIGBUS can be set")
    atexit.register(_restore)  # before the interpreter that runs it is gone


def _restore() -> None:
    if _current().handler == _address:
        _held.sigaction(int(signal.SIGBUS), ctypes.byref(_before), None)


class Guard:
    """As the core's."""

    def __init__(self, buffer: Any) -> None:
        _install()
        self.broken = False
        self._view: Any = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        self.start = ctypes.addressof(self._view)
        self.end = self.start + -(-len(buffer) // _PAGE) * _PAGE
        _guards[id(self)] = self

    def release(self) -> None:
        """Let the buffer go; it is not guarded any more."""
        _guards.pop(id(self), None)
        self._view = None


def populate(buffer: Any, start: int, length: int) -> int:
    """Fault pages in for writing; 0 or the error's number. The interpreter's lock is free meanwhile."""
    return _of_pages(_free.madvise, buffer, start, length, _MADV_POPULATE_WRITE)


def sync(buffer: Any, start: int, length: int) -> int:
    """Put pages on disk; 0 or the error's number. The interpreter's lock is free meanwhile."""
    return _of_pages(_free.msync, buffer, start, length, _MS_SYNC)


def _of_pages(call: Any, buffer: Any, start: int, length: int, flag: int) -> int:
    view = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    first = ctypes.addressof(view)
    low, high = (first + start) // _PAGE * _PAGE, -(-(first + start + length) // _PAGE) * _PAGE
    return ctypes.get_errno() if high > low and call(low, high - low, flag) else 0


assert os.name == "posix"
