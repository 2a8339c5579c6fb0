"""A log that a user can be asked to share: without patients, and without the names of folders."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PATH = re.compile(r"""(?:[A-Za-z]:[\\/]|(?<![\w<./\\])/(?=\S)|\\\\)[^"'<>|\r\n:]*[^"'<>|\r\n:\s,.;)]""")
"""Absolute paths of POSIX and Windows, blanks included: up to a quote or a colon, behind which no path goes on."""

_OWN = re.compile(r"(?:BraTSOSLib|BraTSOSModule|site-packages|lib[\\/]python[\d.]+)[\\/].*")
"""The end of a path that says where in a program something happened, and nothing about who runs it."""


def anonymised(text: str, names: Iterable[str] = ()) -> str:
    """Return ``text`` without ``names`` (a case's, for example) and without paths, but for the ends of program files.

    Examples
    --------
    >>> anonymised('File "/home/jane/BraTSOSLib/case.py", line 3: Doe_t1.nii', ["Doe"])
    'File "BraTSOSLib/case.py", line 3: <name>_t1.nii'
    """
    text = _PATH.sub(_shortened, text)
    for name in sorted(filter(None, map(str, names)), key=len, reverse=True):
        if len(name) > 1:  # a single letter is in every line, and says nothing
            text = re.sub(re.escape(name), "<name>", text, flags=re.IGNORECASE)
    return text


def _shortened(match: re.Match[str]) -> str:
    end = _OWN.search(match[0])
    return end[0].replace("\\", "/") if end else "<path>"
