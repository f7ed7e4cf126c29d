"""A project's settings: one frozen dataclass per section, kept in `mlf.toml` and nowhere else."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pipeline.errors import ProjectError
from pipeline.project.writing import write_text

FORMAT_VERSION = 1
ProposalOrder = Literal["score", "shuffled"]
EvidenceSource = Literal["votes", "models"]
RegionKind = Literal["off", "box", "point"]
Exif = Literal["upright", "as timm"]
ViewCount = Literal[0, 1, 5, 14]


@dataclass(frozen=True, slots=True)
class ProjectSection:
    """What the project is about."""

    name: str = "project"
    #: Made once, never changed: identifies this project in browser storage and in logs, wherever its folder is copied.
    id: str = ""
    format_version: int = FORMAT_VERSION
    #: Folder or fsspec URL that the paths of `images.parquet` are relative to.
    images_root: str = ""
    #: Folder or fsspec URL that the paths of the examples are relative to.
    examples_root: str = ""
    #: Folders that image links may lead to; a hub serves no link that leads elsewhere.
    link_roots: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProposalSection:
    """Stage 1: which classes are offered for an image."""

    n_proposals: int = 20
    examples_per_class: int = 10
    thumbnail_px: int = 128
    seed: int = 0
    #: How models see images: `upright`, as people do, or `as timm` decodes them: not turned by EXIF, not put into sRGB.
    exif: Exif = "upright"
    #: How many parts of each image models look at: 1, 5 or 14; 0 takes what the models' descriptions recommend.
    views: ViewCount = 0


@dataclass(frozen=True, slots=True)
class AnnotationSection:
    """Stage 2: what annotators see and do."""

    annotators_per_image: int = 2
    #: `shuffled` shows each annotator the proposals in an order of their own, drawn from the recorded seed.
    order: ProposalOrder = "score"
    order_seed: int = 0
    #: Off by default: seeing the model's confidence anchors people.
    show_scores: bool = False
    #: Proposals on a page; 0 shows them all at once.
    page_size: int = 5
    regions: RegionKind = "off"
    #: Markdown-free text that annotators can open at any time.
    guidelines: str = ""
    #: Longest side of the image as first sent, in pixels; the full resolution follows on demand.
    display_px: int = 1024
    #: Seconds without input after which the clock of an image stops.
    idle_after_s: int = 30
    #: Keys that replace the default ones, from action to key, such as `{next = "n"}`.
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefinementSection:
    """Stage 4: how disputed images are settled."""

    #: The refiner first decides without the others' votes, which are revealed once every label asked about is decided.
    blind_first: bool = False
    #: Whether one of an image's own annotators may settle it.
    allow_own_images: bool = False
    #: Share of the undisputed images that are audited along with the disputed ones, in [0, 1].
    audit_share: float = 0.0


@dataclass(frozen=True, slots=True)
class ConsensusSection:
    """Stages 3 to 5: how votes become labels."""

    #: What the labels should be best at: `f1`, `precision 0.9`, `posterior 0.7` or `beyer2020` (the published rule).
    aim: str = "f1"
    #: `models`: the rankings in `predictions/` count as evidence for a label, along with the votes.
    evidence: EvidenceSource = "votes"
    #: Models that give no evidence, such as those that will be evaluated under the labels.
    models_left_out: list[str] = field(default_factory=list)
    #: Annotators whose votes stay in the store but do not count.
    annotators_left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StoreSection:
    """Where human work is kept."""

    #: SQLAlchemy URL; empty means `store.sqlite` in the project folder.
    url: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one project, as `mlf.toml` holds them."""

    project: ProjectSection = ProjectSection()
    proposals: ProposalSection = ProposalSection()
    annotation: AnnotationSection = AnnotationSection()
    refinement: RefinementSection = RefinementSection()
    consensus: ConsensusSection = ConsensusSection()
    store: StoreSection = StoreSection()

    def with_changes(self, section: str, **values: Any) -> Settings:
        """Return a copy in which one section's values are replaced."""
        return replace(self, **{section: replace(getattr(self, section), **values)})


def read_settings(path: Path) -> Settings:
    """Read `mlf.toml`.

    Raises
    ------
    ProjectError
        If the file is missing or malformed, names an unknown section or setting, or a value has the wrong type.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ProjectError(
            f"{path.parent} is not a project: it has no {path.name}; make one with `mlf init`"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: not valid TOML: {error}") from error
    hints = get_type_hints(Settings)
    _refuse_unknown(content, hints, f"{path}: unknown section")
    settings = Settings(**{name: _section(hints[name], values, path, name) for name, values in content.items()})
    _check(settings, path)
    return settings


def write_settings(settings: Settings, path: Path) -> None:
    """Write `mlf.toml` in one step, so that a crash leaves the old file or the new one."""
    import tomli_w

    write_text(path, tomli_w.dumps(asdict(settings)))


def _section(kind: type[Any], values: object, path: Path, name: str) -> Any:
    if not isinstance(values, dict):
        raise ProjectError(f"{path}: [{name}] must be a section, not {values!r}")
    hints = get_type_hints(kind)
    _refuse_unknown(values, hints, f"{path}: unknown setting in [{name}]:")
    for key, value in values.items():
        _check_type(hints[key], value, f"{path}: [{name}] {key}")
    return kind(**{key: float(value) if hints[key] is float else value for key, value in values.items()})


def _check_type(hint: Any, value: object, where: str) -> None:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ProjectError(f"{where} = {value!r}; it must be one of {', '.join(map(repr, get_args(hint)))}")
        return
    expected = get_origin(hint) or hint
    allowed = (int, float) if expected is float else (expected,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise ProjectError(f"{where} = {value!r}; it must be of type {expected.__name__}")
    if isinstance(value, list) and not all(isinstance(each, str) for each in value):
        raise ProjectError(f"{where} = {value!r}; it must be a list of texts")


def _refuse_unknown(given: dict[str, Any], known: dict[str, Any], message: str) -> None:
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ProjectError(f"{message} {name!r}; {hint}")


def _check(settings: Settings, path: Path) -> None:
    bounds: list[tuple[str, float, float, float]] = [
        ("project.format_version", settings.project.format_version, 1, FORMAT_VERSION),
        ("proposals.n_proposals", settings.proposals.n_proposals, 1, 1000),
        ("proposals.examples_per_class", settings.proposals.examples_per_class, 0, 50),
        ("proposals.thumbnail_px", settings.proposals.thumbnail_px, 32, 512),
        ("annotation.annotators_per_image", settings.annotation.annotators_per_image, 1, 100),
        ("annotation.page_size", settings.annotation.page_size, 0, 1000),
        ("annotation.display_px", settings.annotation.display_px, 64, 8192),
        ("annotation.idle_after_s", settings.annotation.idle_after_s, 1, 3600),
        ("refinement.audit_share", settings.refinement.audit_share, 0, 1),
    ]
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise ProjectError(f"{path}: {name} = {value}; it must lie between {low} and {high}")
