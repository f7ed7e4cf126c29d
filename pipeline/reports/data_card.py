"""The data card: what was done, by how many people, with which models and what agreement, known limits, citation.

What the program knows is written anew each time. What only people know stands in `datacard.md` in the project's folder,
which is made once and never overwritten.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pipeline
from pipeline.errors import ProjectError
from pipeline.formats.refined_labels_in import read_evidence_models
from pipeline.project.files import sha256_of
from pipeline.project.folder import Project
from pipeline.project.results import read_summary_if_any
from pipeline.project.writing import write_text
from pipeline.reports.croissant import Facts, croissant
from pipeline.reports.html import Html, table
from pipeline.runs.page import METADATA_FILE
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.models_of_project import list_models
from pipeline.stages.settle import SettleSummary

TEXT_FILE = "datacard.md"
#: The headings of the text, with what stands there until somebody writes it.
SECTIONS = {
    "Description": "A multi-label version of a single-label image data set.",
    "Intended use": "Evaluating image classifiers under more than one correct label an image.",
    "People": "Not written yet: who annotated, how they were found, trained and paid.",
    "Known limits": "A class that was not proposed, and that no annotator added, is missing. Annotators who err alike "
    "leave errors that no disagreement shows.",
    "Licence": "Not written yet: the licence of the labels, and that of the images.",
    "Citation": "Not written yet.",
    "Web address": "Not written yet.",
}


@dataclass(frozen=True, slots=True)
class DataCard:
    """The card's page, and where its machine-readable half lies."""

    page: Html
    metadata: Path | None


def write_data_card(project: Project, folder: Path) -> DataCard:
    """Write `croissant.json` into a folder if labels are settled, and return the card as a page.

    Raise `ProjectError` if `datacard.md` cannot be read.
    """
    words = read_card_text(project)
    facts = _facts(project, words)
    rows = [(escape(name), value) for name, value in _shown(project, facts).items()]
    parts = [f"<h1>Data card</h1>{table(None, rows, caption='What was done, from the project itself.').text}"]
    for heading, text in words.items():
        paragraphs = "".join(f"<p>{escape(part)}</p>" for part in re.split(r"\n\s*\n", text) if part.strip())
        parts.append(f"<h2>{escape(heading)}</h2>{paragraphs}")
    parts.append(f'<p class="mlf-meta">The texts stand in {TEXT_FILE} in the project, to be edited there.</p>')
    metadata = None
    if facts.labels_sha256:
        metadata = folder / METADATA_FILE
        write_text(metadata, json.dumps(croissant(facts), indent=2, ensure_ascii=False) + "\n")
        parts.append(
            f'<p>Machine-readable: <a href="{METADATA_FILE}">{METADATA_FILE}</a> (Croissant with RAI fields).</p>'
        )
    return DataCard(Html("".join(parts)), metadata)


def read_card_text(project: Project) -> dict[str, str]:
    """Return the card's texts by heading; the file is made where it is missing, and never changed.

    Raise `ProjectError` if it is there and cannot be read.
    """
    path = project.root / TEXT_FILE
    if not path.exists():
        body = "".join(f"## {heading}\n\n{text}\n\n" for heading, text in SECTIONS.items())
        write_text(path, f"# Data card\n\n{body}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ProjectError(f"{path}: cannot be read: {error}") from error
    parts = re.split(r"^##[ \t]+(.+?)[ \t]*$", text, flags=re.MULTILINE)
    return {heading.strip(): body.strip() for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def _facts(project: Project, words: dict[str, str]) -> Facts:
    csv = project.refined_labels_path.with_suffix(".csv")
    analyzed = read_summary_if_any(project, "analyze", AnalyzeSummary)
    settled = read_summary_if_any(project, "settle", SettleSummary)
    digest = sha256_of(csv) if csv.is_file() else ""
    return Facts(
        name=project.settings.project.name,
        words=words,
        made=datetime.now(UTC).date().isoformat(),
        n_classes=len(project.label_space),
        n_labelled=settled.n_labelled_images if settled else 0,
        n_labels=settled.n_labels if settled else 0,
        n_people=len({*settled.annotators, *settled.refiners}) if settled else 0,
        n_simulated=len(settled.simulated_annotators) if settled else 0,
        per_image=project.settings.annotation.annotators_per_image,
        models=tuple(model.name for model in list_models(project)),
        alpha=analyzed.alpha if analyzed else None,
        software=f"multilabelfy {pipeline.__version__}",
        labels_file=csv.name,
        labels_sha256=digest,
        columns=tuple(csv.open(encoding="utf-8-sig").readline().strip().split(",")) if digest else (),
    )


def _evidence_models(project: Project) -> list[str]:
    return sorted(read_evidence_models(project.refined_labels_path))


def _shown(project: Project, facts: Facts) -> dict[str, str]:
    people = f"{facts.n_people:,}" + (
        f", {facts.n_simulated:,} of them simulated (programs)" if facts.n_simulated else ""
    )
    return {
        "name": escape(facts.name),
        "images with settled labels": f"{facts.n_labelled:,}",
        "labels": f"{facts.n_labels:,}",
        "classes": f"{facts.n_classes:,}",
        "annotators and refiners": people,
        "annotators an image": f"{facts.per_image:,}",
        "agreement (Krippendorff's alpha)": "undefined" if facts.alpha is None else f"{facts.alpha:.3f}",
        "models with rankings": escape(", ".join(facts.models) or "none"),
        "models that gave evidence for the labels": escape(", ".join(_evidence_models(project)) or "none"),
        "proposals an image": f"{project.settings.proposals.n_proposals:,}",
        "made with": escape(facts.software),
        "this page made": facts.made,
    }
