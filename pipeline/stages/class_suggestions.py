"""Classes that annotators miss: a line ``class: lynx`` in a comment suggests one, which is taken up or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.errors import ProjectError
from pipeline.project.changing import note_change
from pipeline.project.class_changes import ChangedClasses, add_classes
from pipeline.project.folder import Project
from pipeline.project.history import Change, read_history
from pipeline.project.label_space import ClassInfo, LabelSpace
from pipeline.project.names import settled
from pipeline.stages.classes import ClassesOutcome, change_classes
from pipeline.store import open_project_store
from pipeline.votes.words import Round

_LINE = re.compile(r"^\s*(?:new\s+)?class\s*:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_DECLINED = "classes decline"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A class that is not in the list: its name, who suggests it, and on which images (indices)."""

    name: str
    people: tuple[str, ...]
    images: tuple[int, ...]


def class_suggestions(project: Project) -> list[Suggestion]:
    """Return what annotators suggest and nobody has taken up or declined, what is suggested most often first.

    A name that the list has already, in whatever case, is no suggestion; nor is one that it had.
    """
    known = {text.casefold() for info in project.label_space for text in (info.key, info.name, *info.synonyms)}
    known |= {str(c.detail["name"]).casefold() for c in read_history(project.root) if c.what == _DECLINED}
    found: dict[str, tuple[str, set[str], set[int]]] = {}
    for name, annotator, image in _suggested(project):
        if name.casefold() not in known:
            _, people, images = found.setdefault(name.casefold(), (name, set(), set()))
            people.add(annotator)
            images.add(image)
    suggestions = [Suggestion(n, tuple(sorted(people)), tuple(sorted(images))) for n, people, images in found.values()]
    return sorted(suggestions, key=lambda suggestion: (-len(suggestion.images), suggestion.name))


def take_up(project: Project, name: str, *, key: str = "", parent: str = "", by: str = "") -> ClassesOutcome:
    """Add a suggested class, and offer it on the images on which it was suggested, in one step.

    Raise `ProjectError` if nobody suggests it, or the key is taken.
    """
    suggestion = _find(project, name)
    who = ", ".join(suggestion.people)

    def make(space: LabelSpace, since: int) -> ChangedClasses:
        above = space[space.index_of(parent)].key if parent else ""
        changed = add_classes(
            space, [ClassInfo(0, settled(key) or suggestion.name, suggestion.name, parent=above)], since
        )
        return ChangedClasses(changed.space, f"{changed.text}, which {who} suggested", (), (len(space),))

    return change_classes(project, "add", make, by, offered_on=suggestion.images)


def decline(project: Project, name: str, *, by: str = "") -> Change:
    """Note that a suggested class is not taken up, so that it is no longer listed; comments stay as they are.

    Raise `ProjectError` if nobody suggests it.
    """
    suggestion = _find(project, name)
    detail = {"text": f"did not take up the class {suggestion.name!r}", "name": suggestion.name}
    return note_change(project.root, _DECLINED, detail, by)


def _find(project: Project, name: str) -> Suggestion:
    suggestions = class_suggestions(project)
    found = next((each for each in suggestions if each.name.casefold() == settled(name).casefold()), None)
    if found is None:
        there = ", ".join(repr(each.name) for each in suggestions) or "none"
        raise ProjectError(f"{project.root}: nobody suggests the class {name!r}; suggested are {there}")
    return found


def _suggested(project: Project) -> Iterator[tuple[str, str, int]]:
    with open_project_store(project) as store:
        for round_ in Round:
            for row in store.iter_states(round_):
                for name in _LINE.findall(row.state.comment):
                    yield settled(name), row.annotator, row.image_index
