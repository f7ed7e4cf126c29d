"""The demo's projects: one that simulated people take through all stages, one prepared for a person to work in."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from pipeline.datasets.create import init_project
from pipeline.demo.against_truth import AgainstTruth, hold_against_truth
from pipeline.demo.annotator import SimulatedAnnotator
from pipeline.demo.behaviour import Behaviour
from pipeline.demo.toybox_truth import confusable_classes, toybox_truth
from pipeline.errors import ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.project.secret import make_secret
from pipeline.project.settings import ExperimentSection, ProposalSection, Settings
from pipeline.reports.index import write_index
from pipeline.runs import run_stage
from pipeline.sessions.local import LocalSession
from pipeline.sessions.project_tables import ProjectTables
from pipeline.stages.assign import assign_project
from pipeline.store import open_project_store
from pipeline.toybox import ToyboxPaths, toybox_checkpoint, write_toybox
from pipeline.toybox.checkpoints import SHIPPED
from pipeline.votes.words import Round

if TYPE_CHECKING:
    from collections.abc import Iterator

Say = Callable[[str], None]
#: Two annotators who err differently (one overlooks labels, the other ticks too many), and two refiners.
ANNOTATORS = {
    "robin": Behaviour(miss=0.16, false_alarm=0.006, confusion=20),
    "sasha": Behaviour(miss=0.07, false_alarm=0.016, confusion=12),
}
REFINERS = {
    "kim": Behaviour(miss=0.03, false_alarm=0.004, confusion=10, unsure=0.0, seconds_per_image=6),
    "noor": Behaviour(miss=0.04, false_alarm=0.003, confusion=10, unsure=0.0, seconds_per_image=7),
}
#: The person's name in the project prepared for a person.
YOU = "you"
#: A fixed secret, so that the demo gives the same figures each time; no real work relies on keeping it secret.
_KNOWN_KEY = bytes(32)
_N_REFERENCE = 14
#: The shipped checkpoint that proposes; it is evaluated along with the others.
_PROPOSES, *_EVALUATED = SHIPPED
#: Scenes in the project that a person works in.
_N_SCENES = 60
#: With 14 views (which the checkpoint recommends), this many proposals contain as many true labels as 20 with one view.
_N_PROPOSALS = 12
#: What the finished demo tries out on its annotators, so that its reports show it.
_EXPERIMENT = ExperimentSection(share=0.2, probe_share=0.1)
_N_RESAMPLES = 300
_AUDIT_SHARE = 0.2
_IMAGES_AT_ONCE = 25


@dataclass(frozen=True)
class FinishedDemo:
    """The project that went through all stages: its report page, and how it compares with the truth."""

    project: Project
    report: Path
    against_truth: AgainstTruth


def draw_toybox(folder: Path, n_scenes: int) -> ToyboxPaths:
    """Draw the demo's toybox, or take the existing one."""
    return write_toybox(folder, n_scenes=n_scenes, n_reference=_N_REFERENCE)


def finished_project(folder: Path, box: ToyboxPaths, say: Say) -> FinishedDemo:
    """Take a project through stages 1 to 6 with simulated annotators, to its reports.

    Parameters
    ----------
    folder
        A new folder for the project.
    box
        The toybox whose scenes are labelled.
    say
        Called with each step, written as the command that does the same.

    Raises
    ------
    ProjectError
        If the folder is not empty.
    """
    project = _proposed(folder, box, box.scenes_csv, "Toybox, finished", say, _EXPERIMENT)
    names = list(ANNOTATORS)
    say(f"$ mlf assign {folder} --annotators {','.join(names)} --simulated")
    assign_project(project, names, project.settings.annotation.annotators_per_image, kind="simulated")
    _simulate(project, box, ANNOTATORS, Round.ANNOTATION)
    say(f"$ mlf analyze {folder}")
    run_stage(project, "analyze", {"n_resamples": _N_RESAMPLES})
    say(f"$ mlf refine {folder} --refiners {','.join(REFINERS)} --audit-share {_AUDIT_SHARE} --simulated")
    _give_out(project)
    _simulate(project, box, REFINERS, Round.REFINEMENT)
    say(f"$ mlf settle {folder}")
    run_stage(project, "settle")
    for model in _EVALUATED:
        say(f"$ mlf evaluate {folder} --checkpoint {model}.pth")
    _rank_with(project, _EVALUATED)
    run_stage(project, "evaluate")
    say(f"$ mlf improve {folder} --checkpoint {_PROPOSES}.pth")
    run_stage(project, "improve", {"checkpoint": str(toybox_checkpoint(_PROPOSES).resolve())})
    say(f"$ mlf report {folder}")
    index = write_index(project)
    return FinishedDemo(project, index.path, hold_against_truth(project, toybox_truth(project, box.truth)))


def finished_before(folder: Path, box: ToyboxPaths, n_scenes: int) -> FinishedDemo | None:
    """Return what an earlier demo finished in the folder; None if it did not finish."""
    report = folder / "reports" / "index.html"
    if not report.is_file():
        return None
    project = open_project(folder)
    truth = toybox_truth(project, box.truth)
    return FinishedDemo(project, report, hold_against_truth(project, truth)) if len(truth) == n_scenes else None


def project_to_annotate(folder: Path, box: ToyboxPaths, say: Say) -> Project:
    """Make a project with proposals and tasks for you and two simulated colleagues.

    Parameters
    ----------
    folder
        A new folder, or that of an earlier demo, whose project is used as it is.
    box
        The toybox whose first scenes are used.
    say
        Called with each step.
    """
    if (folder / "mlf.toml").exists():
        return open_project(folder)
    manifest = box.root / "first_scenes.csv"
    with box.scenes_csv.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[: _N_SCENES + 1]
    with manifest.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    project = _proposed(folder, box, manifest, "Toybox", say)
    say(f"$ mlf assign {folder} --annotators {','.join([YOU, *ANNOTATORS])}")
    with open_project_store(project) as store:
        store.add_annotators(ANNOTATORS, kind="simulated")
    assign_project(project, [YOU, *ANNOTATORS], project.settings.annotation.annotators_per_image)
    return project


def simulated_annotators(
    project: Project, box: ToyboxPaths, people: dict[str, Behaviour], round_: Round = Round.ANNOTATION
) -> list[SimulatedAnnotator]:
    """Return programs that work through these people's tasks."""
    truth = toybox_truth(project, box.truth)
    confusable = confusable_classes(project.label_space)
    tables = ProjectTables(project)
    return [
        SimulatedAnnotator(LocalSession(project, name, round_, tables=tables), behaviour, truth, confusable)
        for name, behaviour in people.items()
    ]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a demo's folder, so that two demos do not write into it at once.

    Raise `ProjectError` if another demo is running there.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".demo.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ProjectError(f"{folder}: another demo is at work there; name another folder with --dir") from error
        yield


def _proposed(
    folder: Path,
    box: ToyboxPaths,
    manifest: Path,
    name: str,
    say: Say,
    experiment: ExperimentSection = ExperimentSection(),
) -> Project:
    say(f"$ mlf init {folder} --images {manifest} --classes {box.classes} --examples {box.reference}")
    # In float32, so that the figures are the same on every machine.
    proposals = ProposalSection(n_proposals=_N_PROPOSALS, precision="float32")
    settings = Settings(proposals=proposals, experiment=experiment)
    project = init_project(folder, str(manifest), str(box.classes), str(box.reference), name, settings=settings)
    make_secret(project.root, _KNOWN_KEY)
    say(
        f"  n_proposals = {_N_PROPOSALS} in {folder}/mlf.toml: 14 looks at an image find more in 12 than one in 20; "
        'precision = "float32", so that figures are the same on every machine'
    )
    if experiment.share:
        say(f"  [experiment] share = {experiment.share}, probe_share = {experiment.probe_share} in {folder}/mlf.toml")
    say(f"$ mlf propose {folder} --checkpoint {_PROPOSES}.pth --views 14")
    run_stage(project, "propose", {"checkpoint": str(toybox_checkpoint(_PROPOSES).resolve())})
    return project


def _simulate(project: Project, box: ToyboxPaths, people: dict[str, Behaviour], round_: Round) -> None:
    for annotator in simulated_annotators(project, box, people, round_):
        n_tasks = LocalSession(project, annotator.name, round_).open().progress.n_tasks
        with tqdm(total=n_tasks, desc=f"{annotator.name} (simulated)", unit=" images") as progress:
            annotator.work(images_at_once=_IMAGES_AT_ONCE, on_image=progress.update)


def _give_out(project: Project) -> None:
    from pipeline.stages.select import select_and_assign

    select_and_assign(project, list(REFINERS), audit_share=_AUDIT_SHARE, kind="simulated")


def _rank_with(project: Project, models: Sequence[str]) -> None:
    from pipeline.inference.checkpoint import ModelSource
    from pipeline.inference.predictions import predict

    predict(project, [ModelSource(checkpoint=toybox_checkpoint(model)) for model in models])
