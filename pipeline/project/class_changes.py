"""Changes of a list of classes: a list goes in, the new list comes out, and which classes replace which.

No index and no key ever changes its meaning. So a class is added at the end; merging and splitting make new classes at
the end and leave the old ones where they are, out of the list but known; renaming changes what people read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from pipeline.errors import ProjectError
from pipeline.project.label_space import ClassInfo, Fate, LabelSpace
from pipeline.project.names import settled

_SHOWN = 5


@dataclass(frozen=True)
class ChangedClasses:
    """A list of classes after a change.

    Parameters
    ----------
    space
        The new list.
    text
        What was done, in words.
    sources, targets
        Indices of the classes that others replace, and of those that replace them; empty where votes stay as they are.
    """

    space: LabelSpace
    text: str
    sources: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()

    @property
    def sha256(self) -> str:
        """Return the digest of the whole new list."""
        content = json.dumps([asdict(info) for info in self.space], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def find_class(space: LabelSpace, name: str) -> ClassInfo:
    """Return the class of the list that a person names: by its key, or by a name that only it has.

    Raise `ProjectError` if there is none, there are several, or it is no longer in the list; the message says what
    became of it.
    """
    wanted = settled(name)
    if wanted in space:
        found = [space[space.index_of(wanted)]]
    else:
        found = [info for info in space if not info.fate and info.name.casefold() == wanted.casefold()]
    if not found:
        from difflib import get_close_matches

        known = [text for info in space if not info.fate for text in (info.key, info.name)]
        near = list(dict.fromkeys(get_close_matches(wanted, known, n=3)))
        hint = f"did you mean {', '.join(map(repr, near))}?" if near else "`mlf classes list PROJECT` shows all of them"
        raise ProjectError(f"no class {name!r} in the list; {hint}")
    if len(found) > 1:
        keys = ", ".join(repr(info.key) for info in found[:_SHOWN])
        raise ProjectError(f"{len(found)} classes are called {name!r}; name one by its key: {keys}")
    (info,) = found
    if info.fate:
        now = ", ".join(repr(space[i].key) for i in info.into)
        became = f"{info.fate} into {now}" if now else info.fate
        raise ProjectError(f"class {info.key!r} is no longer in the list: it was {became}")
    return info


def add_classes(space: LabelSpace, new: Sequence[ClassInfo], since: int) -> ChangedClasses:
    """Return the list with classes more; each gets the next index.

    Raise `ProjectError` if a key is taken, now or earlier, or none is given.
    """
    if not new:
        raise ProjectError("no class is named; name at least one, as in: mlf classes add PROJECT lynx")
    for info in new:
        if info.key in space:
            old = space[space.index_of(info.key)]
            why = f"was {old.fate}; a key never changes its meaning" if old.fate else "is in the list already"
            raise ProjectError(f"class {info.key!r} {why}; choose another key (--key, in `mlf classes take`)")
    numbered = tuple(replace(info, index=len(space) + i, since=since) for i, info in enumerate(new))
    text = f"added {_some([info.key for info in new])}"
    return ChangedClasses(LabelSpace((*space.classes, *numbered), space.name), text)


def rename_class(
    space: LabelSpace, key: str, name: str, synonyms: Sequence[str] | None = None, definition: str | None = None
) -> ChangedClasses:
    """Return the list in which people read another name; the former name stays a synonym, so that search finds it."""
    info, name = find_class(space, key), settled(name)
    if not name:
        raise ProjectError(f"class {key!r} needs a name")
    kept = tuple(info.synonyms if synonyms is None else synonyms)
    if info.name != name and info.name not in kept:
        kept = (*kept, info.name)
    renamed = replace(
        info,
        name=name,
        synonyms=tuple(synonym for synonym in kept if synonym != name),
        definition=info.definition if definition is None else definition,
    )
    return ChangedClasses(_replaced(space, renamed), f"renamed {info.key!r} from {info.name!r} to {name!r}")


def merge_classes(space: LabelSpace, keys: Sequence[str], into: str, since: int) -> ChangedClasses:
    """Return the list in which one new class stands for several.

    Parameters
    ----------
    keys
        Two or more of its classes.
    into
        What people call the new class. It is its key, too, where no class ever had that key; otherwise the keys of the
        merged classes are joined by `+`.
    since
        Number of the change.

    Raises
    ------
    ProjectError
        If fewer than two classes are named, or the new key is taken.
    """
    merged = [find_class(space, key) for key in keys]
    _refuse_repeats(merged)
    if len(merged) < 2:
        raise ProjectError("merging takes two classes or more, as in: mlf classes merge PROJECT cat kitten --into cat")
    into = settled(into)
    own = next((info for info in merged if into in (info.key, info.name)), None)
    if own is None and into in space:
        raise ProjectError(f"class {into!r} exists already; merge it along with the others, or choose another name")
    key = into if into not in space else "+".join(info.key for info in merged)
    if key in space:
        raise ProjectError(f"the merged class would get the key {key!r}, which another class had; choose another name")
    name = into if own is None else own.name
    words = dict.fromkeys(word for info in merged for word in (info.name, *info.synonyms) if word != name)
    parents = {info.parent for info in merged} - {info.key for info in merged}
    target = ClassInfo(
        index=len(space),
        key=key,
        name=name,
        synonyms=tuple(words),
        definition=own.definition if own else "",
        parent=parents.pop() if len(parents) == 1 else "",
        since=since,
    )
    sources = tuple(info.index for info in merged)
    space = _gone(LabelSpace((*space.classes, target), space.name), sources, "merged", (target.index,), target.key)
    text = f"merged {_some([info.key for info in merged])} into {key!r}"
    return ChangedClasses(space, text, sources, (target.index,))


def split_class(space: LabelSpace, key: str, parts: Sequence[str], since: int) -> ChangedClasses:
    """Return the list in which several classes stand for one; parts that the list lacks are added to it.

    Raise `ProjectError` if fewer than two parts are named, or a part had its key for something else.
    """
    info = find_class(space, key)
    parts = [settled(part) for part in parts]
    if len(set(parts)) < 2:
        raise ProjectError(f"splitting {key!r} takes two parts or more: --into a,b")
    new = [ClassInfo(0, part, part.replace("_", " "), parent=info.parent) for part in parts if part not in space]
    if new:
        space = add_classes(space, new, since).space
    targets = tuple(find_class(space, part).index for part in parts)
    if info.index in targets:
        raise ProjectError(f"class {info.key!r} cannot be a part of itself; give its parts names of their own")
    space = _gone(space, (info.index,), "split", targets, info.parent)
    return ChangedClasses(space, f"split {info.key!r} into {_some(parts)}", (info.index,), targets)


def retire_classes(space: LabelSpace, keys: Sequence[str]) -> ChangedClasses:
    """Return the list without some classes: they are no longer offered, and votes on them do not count.

    Raise `ProjectError` if none is named, or none would be left.
    """
    retired = [find_class(space, key) for key in keys]
    _refuse_repeats(retired)
    if not retired:
        raise ProjectError("no class is named; name at least one, as in: mlf classes retire PROJECT lynx")
    if len(retired) == len(space) - len(space.gone):
        raise ProjectError("that would retire every class; keep at least one")
    for info in retired:
        space = _gone(space, (info.index,), "retired", (), info.parent)
    return ChangedClasses(space, f"retired {_some([info.key for info in retired])}")


def _gone(space: LabelSpace, sources: tuple[int, ...], fate: Fate, into: tuple[int, ...], parent: str) -> LabelSpace:
    """Take classes out of the list; their children get another parent."""
    keys = {space[index].key for index in sources}
    classes = [
        replace(info, fate=fate, into=into, parent="")
        if info.index in sources
        else replace(info, parent=parent if parent != info.key else "")
        if info.parent in keys
        else info
        for info in space
    ]
    return LabelSpace(tuple(classes), space.name)


def _replaced(space: LabelSpace, info: ClassInfo) -> LabelSpace:
    classes = [info if other.index == info.index else other for other in space]
    return LabelSpace(tuple(classes), space.name)


def _refuse_repeats(classes: Sequence[ClassInfo]) -> None:
    keys = [info.key for info in classes]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ProjectError(f"class {twice!r} is named twice; name each once")


def _some(keys: Sequence[str]) -> str:
    shown = ", ".join(map(repr, keys[:_SHOWN]))
    return shown if len(keys) <= _SHOWN else f"{shown} and {len(keys) - _SHOWN:,} more"
