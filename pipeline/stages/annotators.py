"""Who has tasks in a project, and who to choose when no name is given."""

from __future__ import annotations

import shlex

from pipeline.annotation.session import Progress
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.names import did_you_mean, settled
from pipeline.store import open_project_store
from pipeline.votes.words import Round


def choose_annotator(project: Project, name: str = "", round_: Round = Round.ANNOTATION) -> tuple[str, Progress]:
    """Return an annotator who has tasks in a round, and how far they have come.

    Parameters
    ----------
    name
        The annotator's name; empty means the only person with tasks.
    round_
        Annotation, or refinement.

    Raises
    ------
    ProjectError
        If nobody has tasks, nobody of that name has any, or no name is given and several people have some.
    """
    with open_project_store(project) as store:
        of_rounds = {each: store.annotators_of(each) for each in Round}
        kinds = store.annotator_kinds()
    found = of_rounds[round_]
    if not found:
        give = "refine" if round_ is Round.REFINEMENT else "assign"
        option = "--refiners" if round_ is Round.REFINEMENT else "--annotators"
        what = "refinement tasks" if round_ is Round.REFINEMENT else "tasks"
        root = shlex.quote(str(project.root))
        raise ProjectError(f"{project.root}: nobody has {what} yet; run `mlf {give} {root} {option} NAME,NAME`")
    people = [person for person in found if kinds.get(person) != "simulated"] or list(found)
    if not name:
        if len(people) > 1:
            raise ProjectError(f"who annotates? Give --annotator with one of {', '.join(people)}")
        return people[0], found[people[0]]
    spelled = {settled(known): known for people_of in of_rounds.values() for known in people_of}
    name = name if name in found else spelled.get(settled(name), name)
    if name not in found:
        others = [other for other, people_of in of_rounds.items() if name in people_of]
        if others:
            raise ProjectError(f"{project.root}: {name!r} has {others[0]} tasks alone; add --round {others[0]}")
        hint = did_you_mean(name, found, f"there are {', '.join(found)}")
        raise ProjectError(f"{project.root}: {name!r} has no tasks; {hint}")
    return name, found[name]
