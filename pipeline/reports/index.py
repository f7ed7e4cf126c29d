"""The page that links all of a project's reports, with the headline of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.results import ResultStage, has_summary, read_summary, report_path
from pipeline.project.writing import write_text
from pipeline.reports.headlines import disagreement_headline, evaluation_headline, settle_headline
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.evaluate import EvaluateSummary
from pipeline.stages.settle import SettleSummary

Summary = TypeVar("Summary", AnalyzeSummary, SettleSummary, EvaluateSummary)


@dataclass(frozen=True, slots=True)
class _Stage(Generic[Summary]):
    name: ResultStage
    title: str
    command: str
    summary: type[Summary]
    headline: Callable[[Summary], list[str]]

    def read(self, project: Project) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the stage's headline, line by line, and the simulated annotators whose votes it rests on."""
        summary = read_summary(project, self.name, self.summary)
        return tuple(self.headline(summary)), summary.simulated_annotators


_STAGES = (
    _Stage("analyze", "Where annotators differ", "mlf analyze", AnalyzeSummary, disagreement_headline),
    _Stage("settle", "Refined labels", "mlf settle", SettleSummary, settle_headline),
    _Stage("evaluate", "Models under the refined labels", "mlf evaluate", EvaluateSummary, evaluation_headline),
)
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem; }
h1 { margin-bottom: .2rem; } h2 { margin: 2.2rem 0 .4rem; font-size: 1.25rem; }
.meta { color: GrayText; } ul { padding-left: 1.2rem; } li { margin: .25rem 0; }
.simulated { border-left: .3rem solid #b58900; padding: .4rem .8rem; }
"""


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
    """Write `reports/index.html` from the stages' reports and summaries.

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
    simulated: dict[str, None] = {}
    for stage in _STAGES:
        path = report_path(project, stage.name)
        if not path.is_file() or not has_summary(project, stage.name):
            sections.append((Section(stage.title, None, ()), stage.command))
            continue
        lines, people = stage.read(project)
        simulated |= dict.fromkeys(people)
        sections.append((Section(stage.title, path, lines), stage.command))
    if not any(section.path for section, _ in sections):
        raise ProjectError(f"{project.root} has no reports yet; run `mlf analyze {project.root}` first")
    path = project.reports_dir / "index.html"
    write_text(path, _page(project, sections, list(simulated)))
    return ReportIndex(path, tuple(section for section, _ in sections))


def _page(project: Project, sections: list[tuple[Section, str]], simulated: list[str]) -> str:
    name = escape(project.settings.project.name)
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    notice = (
        f'<p class="simulated"><b>Simulated:</b> {escape(", ".join(simulated))}. The votes of these annotators were '
        "made by programs, not by people.</p>"
        if simulated
        else ""
    )
    parts = "".join(_section(section, command, project) for section, command in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}: reports</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{name}</h1>"
        f'<p class="meta">{len(project.label_space):,} classes. Page made {made}.</p>'
        f"{notice}{parts}</main></body></html>\n"
    )


def _section(section: Section, command: str, project: Project) -> str:
    title = escape(section.title)
    if section.path is None:
        told = f"<code>{escape(f'{command} {project.root.name}')}</code>"
        return f'<section><h2>{title}</h2><p class="meta">Not made yet: {told}</p></section>'
    items = "".join(f"<li>{escape(line.strip())}</li>" for line in section.lines)
    made = datetime.fromtimestamp(section.path.stat().st_mtime).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return (
        f'<section><h2><a href="{escape(section.path.name)}">{title}</a></h2><ul>{items}</ul>'
        f'<p class="meta">Made {made}.</p></section>'
    )
