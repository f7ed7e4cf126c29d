"""Guidelines in Markdown: what is shown of them, their pictures, and their lines for single classes and pairs.

Nothing of them is ever HTML: they become a tree of a few known kinds of nodes, which the browser draws one by one. Raw
HTML in them is shown as the text that it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal
from urllib.parse import unquote

from pipeline.project.label_space import LabelSpace

NodeKind = Literal[
    "paragraph", "heading", "text", "strong", "emphasis", "code", "block_code", "quote", "list", "item",
    "link", "image", "break", "line", "table", "row", "cell",
]  # fmt: skip
#: A node as JSON: `kind`, and what it has of `children`, `text`, `level`, `url`, `is_ordered`, `is_head`, `picture`.
Node = dict[str, Any]

_KINDS: dict[str, NodeKind] = {
    "paragraph": "paragraph",
    "block_text": "paragraph",
    "heading": "heading",
    "strong": "strong",
    "emphasis": "emphasis",
    "block_quote": "quote",
    "list": "list",
    "list_item": "item",
    "table": "table",
    "link": "link",
    "table_head": "row",
    "table_row": "row",
    "table_cell": "cell",
}
_LEAVES: dict[str, NodeKind] = {
    "text": "text",
    "softbreak": "break",
    "linebreak": "break",
    "thematic_break": "line",
    "codespan": "code",
    "block_code": "block_code",
}
_SAFE_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_LINE = re.compile(r"^\s{0,3}[-*+]\s+(.+?):\s+(\S.*)$")
_CLASSES = {"classes", "klassen"}


@dataclass(frozen=True, slots=True)
class ClassLine:
    """What the guidelines say about one class, or about two that are easily mistaken for each other."""

    class_indices: tuple[int, ...]
    text: str


def guideline_nodes(text: str) -> list[Node]:
    """Return guidelines as a tree of nodes.

    Pictures that lie in the project have a `picture`: their place in :func:`local_pictures`. Others have none, and are
    never fetched.
    """
    return _read(text, _Pictures())


def local_pictures(text: str) -> tuple[str, ...]:
    """Return the paths of the pictures that lie in the project, in the order in which they first appear."""
    pictures = _Pictures()
    _read(text, pictures)
    return tuple(pictures.paths)


def class_lines(text: str, space: LabelSpace, source: str) -> tuple[tuple[ClassLine, ...], tuple[str, ...]]:
    """Return the lines for classes, and what is wrong with those that cannot be told.

    They are the items of the list under a heading *Classes* (or *Klassen*): ``- tabby: stripes on the body``, or for a
    pair ``- tabby / tiger cat: …``. A class is named by its key or by its name.

    Parameters
    ----------
    source
        What to call the guidelines in messages.
    """
    find = _Finder(space)
    found, problems = [], []
    for number, names, said in _lines(text):
        try:
            found.append(ClassLine(find.classes(names), said))
        except LookupError as error:
            problems.append(f"{source}, line {number}: {error.args[0]}")
    return tuple(found), tuple(problems)


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    level = 0
    for number, line in enumerate(text.splitlines(), start=1):
        heading = _HEADING.match(line)
        if heading is not None:
            depth = len(heading[1])
            if heading[2].strip().casefold().rstrip(":") in _CLASSES:
                level = depth
            elif depth <= level:
                level = 0
        elif level and (item := _LINE.match(line)):
            yield number, re.sub(r"(?<!\S)[*_`]+(?=\S)|(?<=\S)[*_`]+(?!\S)", "", item[1]).strip(), item[2].strip()


class _Finder:
    """Finds classes by what people call them."""

    def __init__(self, space: LabelSpace) -> None:
        self._space = space
        self._by_name: dict[str, set[int]] = {}
        for index, name in enumerate(space.names):
            self._by_name.setdefault(name.casefold(), set()).add(index)

    def classes(self, names: str) -> tuple[int, ...]:
        """Return the class, or the two, that a line is about."""
        if self._of(names):
            return (self._one(names),)
        return tuple(self._one(part.strip()) for part in re.split(r"\s+/\s+|\s+vs\.?\s+", names, maxsplit=1))

    def _of(self, name: str) -> set[int]:
        if name in self._space:
            return {self._space.index_of(name)}
        return self._by_name.get(name.casefold(), set())

    def _one(self, name: str) -> int:
        found = sorted(self._of(name))
        if len(found) > 1:
            keys = ", ".join(self._space.keys[index] for index in found)
            raise LookupError(f"{name!r} is the name of several classes; write one of their keys: {keys}")
        if not found:
            near = get_close_matches(name.casefold(), self._by_name, n=1)
            hint = f"; did you mean {self._space.names[min(self._by_name[near[0]])]!r}?" if near else ""
            raise LookupError(f"no class is called {name!r}{hint or ' (a pair is written `one / other: …`)'}")
        return found[0]


class _Pictures:
    """Numbers the local pictures of one text."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def number(self, url: str) -> int | None:
        is_elsewhere = re.match(r"[a-z][a-z0-9+.-]*:|[/\\]", url, re.IGNORECASE)
        parts = [part for part in url.split("/") if part not in {"", "."}]
        if is_elsewhere or ".." in parts or not parts:
            return None
        path = "/".join(parts)
        if path not in self.paths:
            self.paths.append(path)
        return self.paths.index(path)


def _read(text: str, pictures: _Pictures) -> list[Node]:
    import mistune

    parsed = mistune.create_markdown(renderer="ast", plugins=["table"])(text)
    return list(_nodes(parsed, pictures)) if isinstance(parsed, list) else []


def _nodes(parsed: Iterable[dict[str, Any]], pictures: _Pictures) -> Iterator[Node]:
    for token in parsed:
        kind = token["type"]
        children = list(_nodes(token.get("children") or (), pictures))
        if kind in _KINDS:
            yield {"kind": _KINDS[kind], "children": children} | _facts(kind, token.get("attrs") or {})
        elif kind == "table_body":
            yield from children
        elif kind == "image":
            url = unquote(token["attrs"]["url"])
            yield {"kind": "image", "text": "".join(_words(children)), "picture": pictures.number(url)}
        elif kind in _LEAVES:
            yield {"kind": _LEAVES[kind]} | _text(kind, token)
        elif token.get("raw"):  # raw HTML, and whatever else: the text that it is
            yield {"kind": "text", "text": token["raw"]}


def _text(kind: str, token: dict[str, Any]) -> Node:
    raw = token.get("raw")
    return {} if raw is None else {"text": raw if kind == "block_code" else html.unescape(raw)}


def _facts(kind: str, attributes: dict[str, Any]) -> Node:
    if kind == "heading":
        return {"level": attributes["level"]}
    if kind == "link":
        return {"url": attributes["url"] if _SAFE_LINK.match(attributes["url"]) else ""}
    if kind == "list":
        return {"is_ordered": bool(attributes["ordered"])}
    return {"is_head": bool(attributes["head"])} if kind == "table_cell" else {}


def _words(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        yield node.get("text", "")
        yield from _words(node.get("children", ()))
