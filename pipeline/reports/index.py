"""The site of a project's reports: every page, linked with each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.result_paths import ResultStage, report_path
from pipeline.project.results import has_summary, read_summary
from pipeline.project.state import project_state
from pipeline.project.writing import write_text
from pipeline.reports.data_card import write_data_card
from pipeline.reports.explorer_data import write_explorer
from pipeline.reports.headlines import disagreement_headline, evaluation_headline, improve_headline, settle_headline
from pipeline.reports.html import Html
from pipeline.reports.images_behind import with_links_to_images
from pipeline.reports.overview import overview
from pipeline.reports.site_pages import explorer_page, progress_page, provenance_page
from pipeline.runs.page import framed, join_pages, page_title, pages_in
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.evaluate import EvaluateSummary
from pipeline.stages.improve import ImproveSummary
from pipeline.stages.settle import SettleSummary

Summary = TypeVar("Summary", AnalyzeSummary, SettleSummary, EvaluateSummary, ImproveSummary)


@dataclass(frozen=True, slots=True)
class _Stage(Generic[Summary]):
    name: ResultStage
    title: str
    summary: type[Summary]
    headline: Callable[[Summary], list[str]]

    def lines(self, project: Project) -> tuple[str, ...]:
        """Return the stage's headline, line by line."""
        return tuple(self.headline(read_summary(project, self.name, self.summary)))


_STAGES = (
    _Stage("analyze", "Where annotators differ", AnalyzeSummary, disagreement_headline),
    _Stage("settle", "Refined labels", SettleSummary, settle_headline),
    _Stage("evaluate", "Models under the refined labels", EvaluateSummary, evaluation_headline),
    _Stage("improve", "Better proposals", ImproveSummary, improve_headline),
)


@dataclass(frozen=True, slots=True)
class Section:
    """One stage on the page: its report (None where there is none yet) and its headline."""

    title: str
    path: Path | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportIndex:
    """The page that was written."""

    path: Path
    sections: tuple[Section, ...]


def write_index(project: Project) -> ReportIndex:
    """Write the site: `reports/index.html`, and every page that it links.

    Parameters
    ----------
    project
        A project in which a stage that makes a report has been run.

    Raises
    ------
    ProjectError
        If there is no report yet.
    """
    sections = []
    for stage in _STAGES:
        path = report_path(project, stage.name)
        is_there = path.is_file() and has_summary(project, stage.name)
        sections.append(
            Section(stage.title, path, stage.lines(project)) if is_there else Section(stage.title, None, ())
        )
    if not any(section.path for section in sections):
        raise ProjectError(f"{project.root} has no reports yet; run `mlf analyze {project.root}` first")
    return ReportIndex(write_site(project), tuple(sections))


def write_site(project: Project) -> Path:
    """Write the pages that no stage makes, and link all pages; return the first of them."""
    folder = project.reports_dir
    folder.mkdir(exist_ok=True)
    proposals = sorted(project.runs_dir.glob("*-propose*/1_propose.html"))
    if proposals:
        shutil.copyfile(proposals[-1], folder / "propose.html")
    bodies: dict[str, Callable[[], Html]] = {
        "progress.html": lambda: progress_page(project),
        "explorer.html": lambda: explorer_page(write_explorer(project, folder)),
        "datacard.html": lambda: write_data_card(project, folder).page,
        "provenance.html": lambda: provenance_page(project),
        "index.html": lambda: overview(project),
    }
    state = f"{project_state(project)}. Page made {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}."
    for file, body in bodies.items():
        title = page_title(file.removesuffix(".html"))
        page = framed(title, body().text, file=file, project=project.settings.project.name, state=state)
        write_text(folder / file, page)
    pages = pages_in(folder)
    join_pages(folder, pages, into=pages, project=project.settings.project.name, with_script=True)
    for joined in pages:
        path = folder / joined.file
        write_text(path, with_links_to_images(path.read_text(encoding="utf-8")))
    return folder / "index.html"
