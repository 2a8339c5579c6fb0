"""A MONAI bundle's configuration as plain data: references are looked up, expressions are never evaluated.

In MONAI's language a text that starts with ``$`` is Python code, one that starts with ``@`` refers to another entry,
and one that starts with ``%`` pastes another entry or file. Running a bundle evaluates all of them; here only ``@``
is followed, and only to what is written in the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DependencyError, ModelError

_DEEPEST = 20
"""References followed one after another before they are taken for a circle."""


class NotLiteral(ModelError):
    """A value of a bundle's configuration that only running its code would give."""


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file, JSON or YAML.

    Raises
    ------
    ModelError
        If it cannot be read or holds no table.
    DependencyError
        If it is YAML and PyYAML is not installed.
    """
    try:
        return parse_config(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"The bundle's {path.name} cannot be read ({error}).") from error


def parse_config(text: str, name: str) -> dict[str, Any]:
    """Parse a configuration's text; see ``read_config``. ``name`` is the file's, whose ending tells the format."""
    if name.endswith((".yaml", ".yml")):
        try:
            import yaml
        except ImportError as error:
            raise DependencyError(
                f"The bundle's {name} is YAML, for which PyYAML is needed: pip install pyyaml, or export it as JSON."
            ) from error
        try:
            content = _plain(json.dumps(yaml.safe_load(text), default=str))
        except yaml.YAMLError as error:
            raise ModelError(f"The bundle's {name} is no YAML ({str(error).splitlines()[0]}).") from error
    else:
        try:
            content = _plain(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"The bundle's {name} is no JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ModelError(f"The bundle's {name} holds no table of entries.")
    return content


def _plain(text: str) -> Any:
    """JSON's content, with None for what is no number: a card could not hold it."""
    return json.loads(text, parse_constant=lambda name: None)


def literal(value: Any, config: dict[str, Any], depth: int = 0) -> Any:
    """``value`` with its references replaced by what they refer to.

    Raises
    ------
    NotLiteral
        If it holds an expression, or a reference that leads nowhere or in a circle.
    """
    if depth > _DEEPEST:
        raise NotLiteral("references that lead in a circle")
    if isinstance(value, dict):
        return {key: literal(item, config, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item, config, depth + 1) for item in value]
    if not isinstance(value, str) or value[:1] not in ("$", "@", "%"):
        return value
    if value[0] != "@":
        raise NotLiteral(f"the expression {value[:60]!r}")
    return literal(_entry(value[1:], config), config, depth + 1)


def _entry(address: str, config: dict[str, Any]) -> Any:
    found: Any = config
    for part in address.replace("::", "#").split("#"):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            raise NotLiteral(f"the reference '@{address[:60]}'")
    return found


def components(value: Any, config: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Every component (a table with ``_target_``) in ``value``, in order, references followed, expressions skipped."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str) and value.startswith("@"):
        try:
            value = _entry(value[1:], config)
        except NotLiteral:
            return
        yield from components(value, config, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from components(item, config, depth + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("_target_"), str) and value.get("_disabled_") is not True:
            yield value
        for key, item in value.items():
            if isinstance(item, dict | list) or key == "transforms":
                yield from components(item, config, depth + 1)


def target(component: dict[str, Any]) -> str:
    """The class that a component names, without MONAI's module path; with it where it is another package's."""
    name = str(component.get("_target_", ""))
    return name.rsplit(".", 1)[-1] if name.startswith("monai.") else name
