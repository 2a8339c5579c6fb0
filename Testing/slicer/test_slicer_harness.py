"""The harness keeps PythonQt's rules: a test of the module is only as strict as they are."""

from __future__ import annotations

import pytest
import qt
import slicer
from slicerharness import slots


@pytest.fixture
def button():
    return qt.QPushButton("Segment")


def test_a_property_is_no_method(button):
    assert button.text == "Segment"
    with pytest.raises(TypeError):
        button.text()


def test_cpp_objects_take_no_new_attributes(button):
    with pytest.raises(AttributeError, match="foo"):
        button.foo = 1
    with pytest.raises(AttributeError, match="foo"):
        _unknown = button.foo


def test_the_name_is_the_object_name(button):
    button.name = "segmentButton"
    assert button.objectName == "segmentButton"


def test_a_text_does_not_accept_none(button):
    with pytest.raises(AttributeError, match="text"):
        button.text = None


def test_an_unknown_signal_is_refused(button):
    with pytest.raises(RuntimeError, match="pressedd"):
        button.connect("pressedd()", print)


def test_a_slot_gets_no_more_arguments_than_it_takes(button):
    calls = []
    button.connect("clicked(bool)", lambda: calls.append("none"))
    button.connect("clicked(bool)", lambda checked: calls.append(checked))
    button.click()
    assert calls == ["none", False]


def test_disconnect_undoes_connect(button):
    calls = []

    def slot():
        calls.append(1)

    button.connect("clicked()", slot)
    button.click()
    assert button.disconnect("clicked()", slot)
    button.click()
    assert calls == [1]
    assert not button.disconnect("clicked()", slot)


def test_an_exception_in_a_slot_is_collected(button):
    def fail():
        raise ValueError("lost")

    button.connect("clicked()", fail)
    button.click()
    assert [str(value) for _kind, value, _trace in slots.errors] == ["lost"]
    slots.errors.clear()


def test_an_unknown_widget_class_is_refused(tmp_path):
    path = tmp_path / "panel.ui"
    path.write_text('<ui version="4.0"><widget class="qFancyWidget" name="w"/></ui>', encoding="utf-8")
    with pytest.raises(RuntimeError, match="qFancyWidget"):
        slicer.util.loadUI(str(path))
