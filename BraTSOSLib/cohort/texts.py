"""Texts from outside, such as names of files, as they can be stored and shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text as it can be stored and shown: bytes of a file name that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
