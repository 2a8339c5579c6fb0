"""Stand-in for ``slicer.parameterNodeWrapper``: node, text, number and enumeration members, bound to widgets.

As in Slicer, a combo box is filled from the enumeration's ``label()``, a spin box gets its range from ``WithinRange``,
a node selector its node types, and every value is kept in the real parameter node.
"""

import enum
import typing

import slicer
import vtk


class WithinRange:
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class _Member:
    def __init__(self, name, hint, default):
        extra = ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *extra = typing.get_args(hint)
        self.name, self.type = name, hint
        self.range = next((item for item in extra if isinstance(item, WithinRange)), None)
        self.is_node = issubclass(hint, slicer.vtkMRMLNode)
        self.is_enum = issubclass(hint, enum.Enum)
        if default is None and not self.is_node:
            default = next(iter(hint)) if self.is_enum else hint()
        self.default = default

    def __get__(self, wrapper, owner=None):
        if wrapper is None:
            return self
        if self.is_node:
            return wrapper.parameterNode.GetNodeReference(self.name)
        if not wrapper.parameterNode.HasParameter(self.name):  # closing the scene empties the node but keeps it
            return self.default
        text = wrapper.parameterNode.GetParameter(self.name)
        if self.type is bool:
            return text == "True"
        return self.type[text] if self.is_enum else self.type(text)

    def __set__(self, wrapper, value):
        node = wrapper.parameterNode
        if value is not None and not isinstance(value, self.type if self.type is not float else (float, int)):
            raise TypeError(f"{self.name} expects {self.type.__name__}, got {type(value).__name__}")
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        if self.range:
            self.range.validate(value)
        node.SetParameter(self.name, value.name if self.is_enum else str(value))


class _Connector:
    """How one widget shows one member."""

    def __init__(self, widget, member):
        self.widget = widget
        kind = widget.className()
        if kind == "qMRMLNodeComboBox" and member.is_node:
            widget.nodeTypes = (member.type().GetClassName(),)
            self.signal = "currentNodeChanged(vtkMRMLNode*)"
            self.read, self.write = widget.currentNode, widget.setCurrentNode
        elif kind == "QDoubleSpinBox" and member.type is float:
            widget.minimum, widget.maximum = member.range.minimum, member.range.maximum
            self.signal = "valueChanged(double)"
            self.read, self.write = lambda: widget.value, lambda value: setattr(widget, "value", value)
        elif kind == "QSpinBox" and member.type is int:
            widget.minimum, widget.maximum = member.range.minimum, member.range.maximum
            self.signal = "valueChanged(int)"
            self.read, self.write = lambda: widget.value, lambda value: setattr(widget, "value", value)
        elif kind == "QComboBox" and member.is_enum:
            values = list(member.type)
            widget.clear()
            for value in values:
                widget.addItem(value.label() if hasattr(value, "label") else value.name)
            self.signal = "currentIndexChanged(int)"
            self.read = lambda: values[widget.currentIndex]
            self.write = lambda value: setattr(widget, "currentIndex", values.index(value))
        elif kind == "QCheckBox" and member.type is bool:
            self.signal = "toggled(bool)"
            self.read, self.write = lambda: widget.checked, lambda value: setattr(widget, "checked", value)
        else:
            raise RuntimeError(f"Unable to connect the {member.type.__name__} {member.name} to a {kind}")


class _Wrapper:
    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._bindings = {}
        self._updating = False
        for member in self._members.values():
            if not parameterNode.HasParameter(member.name):
                member.__set__(self, member.default)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def connectGui(self, gui):
        named = {w.property("SlicerParameterName"): w for w in vars(gui).values() if w.property("SlicerParameterName")}
        unknown = set(named) - set(self._members)
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {sorted(unknown)}")
        connectors = {name: _Connector(widget, self._members[name]) for name, widget in named.items()}
        slots = []
        for name, connector in connectors.items():
            connector.write(getattr(self, name))

            def push(*_ignored, name=name, connector=connector):
                if not self._updating:
                    setattr(self, name, connector.read())

            connector.widget.connect(connector.signal, push)
            slots.append((connector, push))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateGui(connectors))
        tag = len(self._bindings)
        self._bindings[tag] = (slots, observer)
        return tag

    def _updateGui(self, connectors):
        if self._updating:
            return
        self._updating = True
        try:
            for name, connector in connectors.items():
                connector.write(getattr(self, name))
        finally:
            self._updating = False

    def disconnectGui(self, tag):
        slots, observer = self._bindings[tag]
        self._bindings[tag] = ([], None)
        for connector, push in slots:
            connector.widget.disconnect(connector.signal, push)
        if observer is not None:
            self.RemoveObserver(observer)


def parameterNodeWrapper(cls):
    hints = typing.get_type_hints(cls, include_extras=True)
    members = {name: _Member(name, hint, getattr(cls, name, None)) for name, hint in hints.items()}
    return type(cls.__name__, (_Wrapper,), {**members, "_members": members, "__doc__": cls.__doc__})
