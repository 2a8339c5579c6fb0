"""Connections by signature, and slots whose exceptions are collected instead of lost."""

from __future__ import annotations

import inspect
import sys
import traceback

from PySide6 import QtCore

errors: list[tuple] = []
"""``sys.exc_info()`` of every exception that left a slot or a VTK observer; a test must find it empty."""

_connections: dict[tuple[int, str], list[tuple]] = {}
_qt_connect, _qt_disconnect = QtCore.QObject.connect, QtCore.QObject.disconnect


def connect(sender, signal: str, receiver, slot: str | None = None) -> bool:
    """Connect as PythonQt does, ``sender.connect("clicked(bool)", function)``; a wrong signature raises."""
    normalised = _normalised(sender, signal)
    if slot is not None:
        receiver = getattr(receiver, slot.split("(")[0])
    if not callable(receiver):
        raise TypeError(f"{receiver!r} cannot be called")
    guarded = _guarded(receiver)
    _connections.setdefault((id(sender), normalised), []).append((receiver, guarded))
    return bool(_qt_connect(sender, QtCore.SIGNAL(normalised), guarded))


def disconnect(sender, signal: str, receiver=None) -> bool:
    """Undo one connection (or the first one, where no receiver is given); False if there was none."""
    normalised = _normalised(sender, signal)
    known = _connections.get((id(sender), normalised), [])
    for entry in known:
        if receiver is None or entry[0] == receiver:
            _qt_disconnect(sender, QtCore.SIGNAL(normalised), entry[1])
            known.remove(entry)
            return True
    return False


def collect(kind, value, trace) -> None:
    """Note an exception that nobody can catch; installed as ``sys.excepthook`` and ``sys.unraisablehook``'s helper."""
    errors.append((kind, value, trace))
    traceback.print_exception(kind, value, trace)


def _normalised(sender, signal: str) -> str:
    normalised = bytes(QtCore.QMetaObject.normalizedSignature(signal)).decode()
    normalised = getattr(type(sender), "_signal_aliases", {}).get(normalised, normalised)
    if sender.metaObject().indexOfSignal(normalised) < 0:
        # PythonQt only returns False, and the slot is then never called: too easily overlooked.
        raise RuntimeError(f"signal '{signal}' does not exist on {sender.metaObject().className()}")
    return normalised


def _guarded(function):
    limit = _positional_count(function)

    def call(*arguments):
        try:
            function(*arguments[:limit])
        except Exception:
            collect(*sys.exc_info())

    return call


def _positional_count(function) -> int | None:
    """Return how many of a signal's arguments the callable takes (None: all): PythonQt leaves out the rest."""
    inner = getattr(function, "__func__", function)
    if not inspect.isfunction(inner) or inner.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return inner.__code__.co_argcount - inspect.ismethod(function)
