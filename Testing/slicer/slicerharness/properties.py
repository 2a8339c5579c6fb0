"""Qt properties as PythonQt shows them: ``button.text`` is the text, not a method."""

from __future__ import annotations

import enum
import inspect

from PySide6 import QtCore

_being_read: set[tuple[int, str]] = set()


class QtProperty:
    """Descriptor that reads and writes one Qt property through the meta-object system.

    Parameters
    ----------
    name : str
        The property.
    method : callable or None
        PySide's method of the same name, still needed by Qt itself where the getter is virtual (``sizeHint``).
    """

    def __init__(self, name: str, method=None) -> None:
        self.name = name
        self.method = method

    def __get__(self, obj, owner=None):
        if obj is None:
            return self.method if self.method is not None else self
        key = (id(obj), self.name)
        if key in _being_read:
            # Qt calls a virtual getter back while the property is read: it must get the method, or it never ends.
            return self.method.__get__(obj) if hasattr(self.method, "__get__") else self.method
        _being_read.add(key)
        try:
            value = obj.property(self.name)
        finally:
            _being_read.discard(key)
        return value.value if isinstance(value, enum.Enum) else value

    def __set__(self, obj, value) -> None:
        meta = obj.metaObject().property(obj.metaObject().indexOfProperty(self.name))
        kind, title = meta.typeName(), f"Property '{self.name}' of {type(obj).__name__}"
        if not meta.isWritable():
            raise AttributeError(f"{title} is not writable")
        if kind == "QString" and value is None:
            raise AttributeError(f"{title} does not accept None")
        if kind == "int" and isinstance(value, float):
            value = int(value)  # PythonQt cuts off, Qt would round
        elif kind == "bool":
            value = bool(value)
        elif isinstance(value, tuple):
            value = list(value)
        if not obj.setProperty(self.name, value):
            raise AttributeError(f"{title} is a {kind} and does not accept {value!r}")


def get_unknown(obj, name: str):
    """Look an attribute up that Python does not know: the object's name, dynamic properties, named children."""
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "name":
        return obj.property("objectName")
    if name in _dynamic_names(obj):
        return obj.property(name)
    for child in obj.children():
        if child.property("objectName") == name:
            return child
    raise AttributeError(f"{type(obj).__name__} has no attribute named '{name}'")


def set_attribute(obj, name: str, value) -> None:
    """Set an attribute as PythonQt does: nothing new can be added to an object of a C++ class."""
    name = "objectName" if name == "name" else name
    cls = type(obj)
    member = inspect.getattr_static(cls, name, None)
    from_cpp = cls.__module__.startswith("PySide6") or cls.__dict__.get("_stands_in", False)
    if isinstance(member, QtCore.Property):
        QtProperty(name).__set__(obj, value)
    elif hasattr(type(member), "__set__"):
        type(member).__set__(member, obj, value)
    elif isinstance(value, QtCore.SignalInstance) or name.startswith("_h_") or not from_cpp:
        obj.__dict__[name] = value
    elif name in _dynamic_names(obj):
        obj.setProperty(name, value)
    else:
        raise AttributeError(f"'{name}' does not exist on {cls.__name__}: C++ objects take no new attributes")


def _dynamic_names(obj) -> set[str]:
    return {bytes(name).decode() for name in obj.dynamicPropertyNames()}
