"""People join and leave while others work: undecided work moves, votes stay, and a service goes on serving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import Project, open_project
from pipeline.stages.select import select_and_assign
from pipeline.store import open_project_store
from pipeline.votes.words import Round

Mlf = Callable[..., str]
Vote = Callable[..., None]


def refining(project: Project) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    with open_project_store(open_project(project.root)) as store:
        for task in store.assignments(Round.REFINEMENT):
            found.setdefault(task.annotator, set()).add(task.image_index)
    return found


def test_refinement_work_is_handed_over_and_decided_images_stay(project: Project, vote: Vote, mlf: Mlf) -> None:
    for image in range(6):
        vote(project, "ada", image, ["cat", "cup"], ["cat"])
        vote(project, "ben", image, ["cat", "cup"], ["cup"])
    select_and_assign(project, ["cleo"])
    vote(project, "cleo", 2, ["cat", "cup"], ["cat"], round_=Round.REFINEMENT)
    printed = mlf("assign", project.root, "--from", "cleo", "--to", "dora", "--round", "refinement")
    assert "5 undecided tasks moved to dora" in printed
    assert refining(project) == {"cleo": {2}, "dora": {0, 1, 3, 4, 5}}
    told = mlf("assign", project.root, "--from", "dora", "--to", "ada", "--round", "refinement")
    assert "dora keeps 5 tasks" in told  # ada annotated them
    mlf("assign", project.root, "--to", "eve", "--round", "refinement")
    assert len(refining(project)["eve"]) == 2
    assert "new refinement work comes from" in mlf("assign", project.root, "--round", "refinement", code=2)


def test_a_service_serves_changed_classes_images_people_and_settings_without_a_restart(
    project: Project, mlf: Mlf, draw: Callable[[Path, int], None]
) -> None:
    import httpx
    from serving import ServiceProcess, StubHub

    from pipeline.service.client import RemoteSession

    with StubHub() as hub, ServiceProcess(project, hub) as service:
        hub.add("ada", ["annotators"])
        hub.add("dora", ["annotators"])
        session = RemoteSession(service.url, "token-ada")
        assert (session.open().progress.n_tasks, len(session.label_space())) == (6, 6)

        mlf("classes", project.root, "add", "lynx")
        mlf("classes", project.root, "offer", "lynx")
        mlf("classes", project.root, "retire", "lamp")
        fresh = RemoteSession(service.url, "token-ada")
        assert [info.key for info in fresh.label_space() if not info.fate][-1] == "lynx"
        [task] = fresh.tasks([0])
        lamp, lynx = 5, 6
        assert task.proposals[0].class_index == lynx
        assert lamp not in [proposal.class_index for proposal in task.proposals]
        events = [
            Event(f"through-the-service-{c}", Round.ANNOTATION, "ada", task.image_index, EventKind.VOTE,
                  {"class_index": c, "vote": "yes"}, (c,))
            for c in (lamp, lynx)
        ]  # fmt: skip
        refused, saved = fresh.save(events)
        assert "reload" in refused.error
        assert saved.seq

        folder = project.root.parent / "elsewhere"
        draw(folder / "cat" / "new.png", 99)
        np.savez(project.root.parent / "new.npz", model=np.array([[1, 2, 3, 0]]))
        mlf("add", project.root, "--images", folder, "--from-predictions", project.root.parent / "new.npz")
        assert fresh.open().progress.n_tasks == 7
        last = fresh.tasks([6])[0]
        assert len(last.proposals) == 4
        assert fresh.image(6, 64).data

        mlf("assign", project.root, "--to", "dora")
        assert RemoteSession(service.url, "token-dora").open().progress.n_tasks > 0

        settings = project.root / "mlf.toml"
        settings.write_text(settings.read_text().replace("page_size = 5", "page_size = 3"))
        assert fresh.open().annotation.page_size == 3
        settings.write_text("nonsense")
        assert fresh.open().annotation.page_size == 3  # what cannot be read leaves everything as it was
        assert httpx.get(f"{service.url}/health", timeout=60).status_code == 200
