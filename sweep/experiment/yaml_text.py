"""YAML text to plain values, each with the line where it stands.

Numbers are read as YAML 1.2 has them (`1e-3` is a number, `010` is ten, `1:30` is text), booleans as YAML 1.1 (`on` is
true). What a settings file has no use for is refused: aliases, tags, merge keys, keys that are no names, numbers that
are not finite. Dates are text. Whatever the text holds, the only exception is `YamlError`.
"""

import math
import re
from typing import Any, cast

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from sweep.runs.errors import SettingError, show

max_values = 100_000
max_nesting = 16
max_whole = 2**63

Place = tuple[str | int, ...]


class YamlError(SettingError):
    """A mistake in a text, found before it had values: a `SettingError` with a line, counted from 1."""

    def __init__(self, line: int, place: Place, found: str, allowed: str) -> None:
        super().__init__(place, found, allowed)
        self.line = line


class _Composer(Composer, Resolver):
    """A parser's events as nodes, with the numbers of YAML 1.2; refuses what an experiment has no use for."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def __init__(self, parser: Any) -> None:
        Composer.__init__(self)
        Resolver.__init__(self)
        self.check_event, self.peek_event, self.get_event = parser.check_event, parser.peek_event, parser.get_event
        self.nesting = 0
        self.n_values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(line, (), f"the alias *{event.anchor}", "allowed: values written out, no YAML aliases")
        if event.tag not in (None, "!"):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise YamlError(line, (), f"the tag {tag}", "allowed: plain values, no YAML tags")
        self.n_values += 1
        if self.n_values > max_values:
            raise YamlError(line, (), f"more than {max_values:,} values", "allowed: a smaller experiment")
        if self.nesting >= max_nesting:
            raise YamlError(line, (), "nested too deeply", f"allowed: at most {max_nesting} levels")
        self.nesting += 1
        node = super().compose_node(parent, index)
        self.nesting -= 1
        return node


_implicit = {
    "null": r"~|null|Null|NULL|",
    "bool": r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
for _kind, _pattern in _implicit.items():
    _expression = re.compile(rf"(?:{_pattern})\Z")
    _Composer.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _expression, None)  # pyright: ignore[reportUnknownMemberType]


class Source:
    """A YAML text as plain values; None for an empty one.

    `booleans`: places of words that only YAML 1.1 reads as booleans (`on`, `no`), with word and value. `lists`: places
    of lists. A place is the keys from the outside in. Raises `YamlError`.

    >>> source = Source("vary: {width: [2, 4]}")
    >>> source.value, source.line(("vary", "width", 1))
    ({'vary': {'width': [2, 4]}}, 1)
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {(): 1}
        self.booleans: dict[Place, tuple[str, bool]] = {}
        self.lists: set[Place] = set()
        root = _compose(text)
        self.value: Any = None if root is None else self._value((), root)

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest one around it that the text has."""
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def _value(self, place: Place, node: yaml.Node) -> Any:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(place, node)
        if isinstance(node, yaml.SequenceNode):
            self.lists.add(place)
            return [self._value((*place, i), item) for i, item in enumerate(node.value)]
        scalar = cast(yaml.ScalarNode, node)
        value = _scalar(place, scalar)
        if isinstance(value, bool) and scalar.value.lower() != show(value):
            self.booleans[place] = (scalar.value, value)
        return value

    def _mapping(self, place: Place, node: yaml.MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError(line, place, "found a list or a mapping as a key", "allowed: a name")
            key = _scalar(place, key_node)
            if isinstance(key, bool):
                found = f"found the key {key_node.value}, which YAML reads as {show(key)}"
                raise YamlError(line, place, found, "allowed: a name")
            if not isinstance(key, str):
                raise YamlError(
                    line, place, f"found the key {show(key)}", "allowed: a name; a comma in braces starts an entry"
                )
            if key == "<<":
                raise YamlError(line, place, "found the merge key <<", "allowed: settings written out")
            if key in values:
                first = self._lines[*place, key]
                raise YamlError(line, (*place, key), f"given twice, first in line {first}", "allowed: once")
            self._lines[*place, key] = line
            values[key] = self._value((*place, key), value_node)
        return values


_yaml_allowed = "allowed: YAML, lines of `key: value` nested by spaces, not tabs"


def _compose(text: str) -> yaml.Node | None:
    """Return the YAML node of a text, None if it is empty; `YamlError` if it is no YAML.

    libyaml reads a long list ten times as fast as PyYAML's own parser, whose words for what is wrong are clearer.
    """
    if yaml.__with_libyaml__:
        try:
            return _Composer(yaml.CSafeLoader(text)).get_single_node()
        except YamlError:
            raise
        except (yaml.YAMLError, ValueError, OverflowError):
            pass
    try:
        parser = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        found = f"a character that YAML forbids: U+{ord(text[error.position]):04X}"
        raise YamlError(line, (), found, "allowed: printable text") from None
    try:
        return _Composer(parser).get_single_node()
    except YamlError:  # a ValueError too
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        if error.context == "expected a single document in the stream":
            raise YamlError(line, (), "a second YAML document begins here", "allowed: one document a file") from None
        raise YamlError(line, (), f"not valid YAML: {error.problem or error.context}", _yaml_allowed) from None
    except (ValueError, OverflowError):  # from escapes and version numbers beyond Python's range
        raise YamlError(parser.line + 1, (), "not valid YAML: a number out of range", _yaml_allowed) from None


def _scalar(place: Place, node: yaml.ScalarNode) -> bool | int | float | str | None:
    """Read a scalar by its tag; `YamlError` for a number out of range and for text that is no Unicode."""
    text: str = node.value
    line = node.start_mark.line + 1
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("yes", "true", "on")
        case "int":
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            digits = text if base == 10 else text[2:]
            if len(digits) > 64 or abs(int(digits, base)) >= max_whole:
                raise YamlError(line, place, f"found {show(text)[1:-1]}", "allowed: whole numbers below 2^63")
            return int(digits, base)
        case "float":
            number = math.inf if "n" in text.lower() else float(text)  # .inf and .nan
            if not math.isfinite(number):
                raise YamlError(line, place, f"found {show(text)[1:-1]}", "allowed: finite numbers")
            return number
        case _:
            if any("\ud800" <= c <= "\udfff" for c in text):
                raise YamlError(line, place, "found half a character (a surrogate)", "allowed: Unicode text")
            return text
