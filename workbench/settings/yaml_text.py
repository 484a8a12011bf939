"""YAML text into plain data and the line of each key; small, shallow and without anything that only Python knows."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from adapter_workbench.workbench.errors import InputError, no_such_file, reason
from adapter_workbench.workbench.files.ordinary import open_ordinary

Key = tuple[str | int, ...]

MOST_BYTES = 1 << 20  # of a file: the longest that ships has 3 kB
MOST_VALUES = 100_000  # with every alias written out
DEEPEST = 50
MERGE = "tag:yaml.org,2002:merge"  # of the key <<
LONGEST_NUMBER = 100  # characters: Python takes quadratic time over the digits of a number

_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc] # which of two classes it is depends on how PyYAML was built
    """The safe loader; a date stays text, since no setting is one, and numbers have a length that is read quickly."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        """Return the text of a scalar.

        Raises:
            ValueError: it is a number with too many digits.
        """
        if node.tag.endswith((":int", ":float")) and len(node.value) > LONGEST_NUMBER:
            raise ValueError(f"a number of {len(node.value):,} characters")
        return super().construct_scalar(node)


@dataclass(frozen=True)
class ParsedYaml:
    """What a YAML text holds, and the line number (from 1) of each key path."""

    data: Any
    lines: dict[Key, int]


@dataclass
class _Part:
    """A list or mapping that is being read: how many values it holds so far, and how deep they go."""

    anchor: str | None
    values: int = 1
    height: int = 0

    def add(self, values: int, height: int) -> None:
        self.values += values
        self.height = max(self.height, height)


@dataclass
class _Sizes:
    """Sizes of a YAML text, counted before any value is built; an alias counts as all that it stands for."""

    origin: str
    parts: list[_Part] = field(default_factory=lambda: [_Part(None)])
    named: dict[str, _Part] = field(default_factory=dict)

    def see(self, event: Any) -> None:
        where = f"{self.origin}, line {event.start_mark.line + 1}"
        _require_plain(event, where)
        if isinstance(event, yaml.CollectionStartEvent):
            self.parts.append(_Part(event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(self.parts.pop())
        elif isinstance(event, yaml.ScalarEvent):
            self._close(_Part(event.anchor))
        elif isinstance(event, yaml.AliasEvent):
            self._repeat(str(event.anchor), where)
        if len(self.parts) + self.parts[-1].height > DEEPEST + 1:
            raise InputError(f"nested deeper than {DEEPEST} levels", where=where)
        if self.parts[-1].values > MOST_VALUES:
            raise InputError(
                f"the file is too large: more than {MOST_VALUES:,} values (an alias counts as all that it stands for)",
                where=where,
            )

    def _close(self, part: _Part) -> None:
        if part.anchor:
            self.named[part.anchor] = part
        self.parts[-1].add(part.values, part.height + 1)

    def _repeat(self, anchor: str, where: str) -> None:
        if any(part.anchor == anchor for part in self.parts):
            raise InputError("an alias in this file contains itself", where=where)
        if part := self.named.get(anchor):
            self.parts[-1].add(part.values, part.height + 1)


def read_text(path: Path) -> str:
    """Return the text of a file that a person wrote, without the byte order mark that some editors put before it.

    Raises:
        InputError: it is not there, it is no file (a folder, a device, a pipe), not UTF-8, or too large to have been
            written by hand.
    """
    where = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"cannot read this file: it is {_kind(path)}", where=where)
        with open_ordinary(path) as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig") if len(content) <= MOST_BYTES else ""
    except (FileNotFoundError, NotADirectoryError):
        raise no_such_file(path) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read this file: {getattr(error, 'strerror', None) or error}", where=where) from None
    if len(content) > MOST_BYTES:
        raise InputError(f"cannot read this file: it is larger than {MOST_BYTES >> 20} MiB", where=where)
    return text


def parse(text: str, origin: str) -> ParsedYaml:
    """Return what a YAML text holds; ``origin`` is what messages call it.

    Raises:
        InputError: not YAML, a key that stands twice or is no word, a tag, a part that holds itself, a character that
            no text has, or more than a person would write: too many values, too deep.
    """
    require_characters(text, origin)
    loader = _Loader(text)
    try:
        sizes = _Sizes(origin)
        for event in yaml.parse(text, Loader=_Loader):
            sizes.see(event)
        node = loader.get_single_node()
        lines = _lines(node, origin)  # now: when data are built, merged keys are written into the nodes
        data = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, LookupError) as error:  # LookupError: `!!bool 5`
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or reason(error)
        raise InputError(f"not YAML: {problem}", where=f"{origin}, line {mark.line + 1}" if mark else origin) from None
    finally:
        loader.dispose()
    return ParsedYaml(data, lines)


def text_of(data: Any, escaped: bool = False, **style: Any) -> str:
    """Return plain data as YAML that gives them again, keys in their order: labels are numbered by it.

    PyYAML writes U+0085 as it is where Unicode is allowed, and reads it as a line break.

    Args:
        data: what to write.
        escaped: write out all characters beyond ASCII, so that nothing in the text is hidden.
        style: what ``yaml.safe_dump`` takes beside them.
    """
    text = str(yaml.safe_dump(data, allow_unicode=not escaped, sort_keys=False, **style))
    return str(yaml.safe_dump(data, allow_unicode=False, sort_keys=False, **style)) if "\x85" in text else text


def require_characters(text: str, where: str) -> None:
    """Make sure that ``text`` holds no character that neither a file nor a file system takes.

    Raises:
        InputError: it has a NUL or half of a surrogate pair (from an argument that is not UTF-8).
    """
    if wrong := _NO_CHARACTER.search(text):
        raise InputError(f"a character that is not allowed in text: U+{ord(wrong[0]):04X}", where=where)


def _require_plain(event: Any, where: str) -> None:
    if (tag := getattr(event, "tag", None)) and tag not in _TAGS:
        raise InputError(f"not YAML: the tag {tag} is not read here", where=where)
    if isinstance(event, yaml.ScalarEvent):
        require_characters(event.value, where)


def _lines(node: yaml.Node | None, origin: str, key: Key = ()) -> dict[Key, int]:
    """Return the line of each key below ``key``; one that is merged in (``<<``) counts where its mapping has none."""
    lines: dict[Key, int] = {}
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines |= {(*key, index): value.start_mark.line + 1, **_lines(value, origin, (*key, index))}
    elif isinstance(node, yaml.MappingNode):
        for name, value in _named_once(node, origin, key):
            lines |= {(*key, name.value): name.start_mark.line + 1, **_lines(value, origin, (*key, name.value))}
        for mapping in _merged_mappings(node):
            lines = _lines(mapping, origin, key) | lines
    return lines


def _named_once(node: yaml.MappingNode, origin: str, key: Key) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield the entries of a mapping without what is merged in; a key that is no word is refused when it is built."""
    first: dict[str, int] = {}
    for name, value in node.value:
        if not isinstance(name, yaml.ScalarNode):
            continue
        line = name.start_mark.line + 1
        if name.value in first:
            path = ".".join(map(str, (*key, name.value)))
            message = f"{path!r} is given twice, first on line {first[name.value]}"
            raise InputError(message, where=f"{origin}, line {line}")
        first[name.value] = line
        if name.tag != MERGE:
            yield name, value


def _merged_mappings(node: yaml.MappingNode) -> list[yaml.Node]:
    """Return the mappings that are merged into one, the strongest first."""
    values = [value for name, value in node.value if name.tag == MERGE]
    return [
        mapping for value in values for mapping in (value.value if isinstance(value, yaml.SequenceNode) else [value])
    ]


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "a pipe" if path.is_fifo() else "no ordinary file"
