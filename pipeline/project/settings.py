"""A project's settings: one frozen dataclass per section, kept in `mlf.toml` and nowhere else."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pipeline.errors import DatasetError, ProjectError
from pipeline.project.aim import Aim
from pipeline.project.key_settings import check_keys
from pipeline.project.names import did_you_mean
from pipeline.project.presentation import Condition, Presentation
from pipeline.project.writing import write_text

#: 2: classes may be merged, split and retired, images be added; older versions would misread such a project.
FORMAT_VERSION = 2
ProposalOrder = Literal["score", "shuffled"]
EvidenceSource = Literal["votes", "models"]
RegionKind = Literal["off", "box", "point"]
Exif = Literal["upright", "as timm"]
Language = Literal["en", "de"]
OwnProgressKind = Literal["off", "pace", "pace and gold"]
ViewCount = Literal[0, 1, 5, 14]
HubSessions = Literal["servers", "light"]
AskedPrecision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class ProjectSection:
    """What the project is about."""

    #: What the project is called on its pages and in reports.
    name: str = "project"
    #: Made once, never changed: identifies this project in browser storage and in logs, wherever its folder is copied.
    id: str = ""
    #: The format of the folder; `mlf project upgrade` raises it.
    format_version: int = FORMAT_VERSION
    #: Folder or fsspec URL that the paths of `images.parquet` are relative to.
    images_root: str = ""
    #: Folder or fsspec URL that the paths of the examples are relative to.
    examples_root: str = ""
    #: Further folders of images: where those lie that were added from elsewhere; their paths are absolute.
    image_folders: list[str] = field(default_factory=list)
    #: Folders that image links may lead to; a hub serves no link that leads elsewhere.
    link_roots: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProposalSection:
    """Stage 1: which classes are offered for an image."""

    #: Classes that are offered for an image, at most.
    n_proposals: int = 20
    #: Example images that are shown beside a class, at most.
    examples_per_class: int = 10
    #: Side of an example image in pixels.
    thumbnail_px: int = 128
    #: Another number considers other images as examples, where a class has many.
    seed: int = 0
    #: How models see images: `upright`, as people do, or `as timm` decodes them: not turned by EXIF, not put into sRGB.
    exif: Exif = "upright"
    #: How many parts of each image models look at: 1, 5 or 14; 0 takes what the models' descriptions recommend.
    views: ViewCount = 0
    #: In which precision models are computed; `auto` takes bfloat16 where the device has it, otherwise float32.
    precision: AskedPrecision = "auto"


@dataclass(frozen=True, slots=True)
class AnnotationSection:
    """Stage 2: what annotators see and do."""

    #: How many people annotate each image, where `mlf assign --per-image` does not say.
    annotators_per_image: int = 2
    #: `shuffled` shows each annotator the proposals in an order of their own, drawn from the recorded seed.
    order: ProposalOrder = "score"
    #: Another number gives other shuffled orders.
    order_seed: int = 0
    #: Off by default: seeing the model's confidence anchors people.
    show_scores: bool = False
    #: Whether classes that are easily taken for each other stand beside each other (`mlf classes pairs`).
    pairs_together: bool = True
    #: Proposals on a page; 0 shows them all at once.
    page_size: int = 5
    #: Whether annotators may mark where a label is (`m`): `off`, with a `box` or a `point`.
    regions: RegionKind = "off"
    #: Markdown that annotators can open at any time; the file `guidelines.md` follows it.
    guidelines: str = ""
    #: Longest side of the image as first sent, in pixels; the full resolution follows on demand.
    display_px: int = 1024
    #: Seconds without input after which the clock of an image stops.
    idle_after_s: int = 30
    #: Keys that replace the default ones, from action to key, such as `{next = "k"}`; docs/annotating.md lists them.
    keys: dict[str, str] = field(default_factory=dict)
    #: Whether a decided image can be left only once each of its labels has been on the screen.
    must_see_all: bool = False
    #: What the pages of annotators and refiners speak.
    language: Language = "en"
    #: Minutes of active time after which a short break is suggested; 0 never does.
    break_after_min: int = 0
    #: Whether people may look at their own pace, and at how often they answered as hidden gold says.
    own_progress: OwnProgressKind = "off"


@dataclass(frozen=True, slots=True)
class ExperimentSection:
    """Stage 2, on randomly drawn tasks: what the usual way of annotating does to the answers. All off by default."""

    #: Share of the tasks, drawn by image and annotator, that are shown under one of the `conditions` instead.
    share: float = 0.0
    #: `shuffled`, `by-score`, `scores-shown`, `scores-hidden`: each departs from what `[annotation]` says.
    conditions: list[str] = field(default_factory=lambda: [Condition.SHUFFLED.value])
    #: Share of the images whose annotators are asked to search all classes, to learn what the proposals miss.
    probe_share: float = 0.0


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
class EvaluationSection:
    """Stage 5: how models are scored."""

    #: In which precision models are computed that `mlf evaluate` runs; published accuracies are of float32.
    precision: AskedPrecision = "float32"


@dataclass(frozen=True, slots=True)
class StoreSection:
    """Where human work is kept."""

    #: SQLAlchemy URL; empty means `store.sqlite` in the project folder.
    url: str = ""


@dataclass(frozen=True, slots=True)
class HubSection:
    """How people work in a hub."""

    #: `servers`: everyone has a Jupyter server. `light`: annotators and refiners work on pages of the service instead.
    sessions: HubSessions = "servers"
    #: Processes that serve a project together, where one is not enough; more than one need a store on PostgreSQL.
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one project, as `mlf.toml` holds them."""

    project: ProjectSection = ProjectSection()
    proposals: ProposalSection = ProposalSection()
    annotation: AnnotationSection = AnnotationSection()
    experiment: ExperimentSection = ExperimentSection()
    refinement: RefinementSection = RefinementSection()
    consensus: ConsensusSection = ConsensusSection()
    evaluation: EvaluationSection = EvaluationSection()
    store: StoreSection = StoreSection()
    hub: HubSection = HubSection()

    def with_changes(self, section: str, **values: Any) -> Settings:
        """Return a copy in which one section's values are replaced."""
        return replace(self, **{section: replace(getattr(self, section), **values)})


def usual_presentation(annotation: AnnotationSection) -> Presentation:
    """Return how every task is shown that no experiment changes."""
    return Presentation(annotation.order, annotation.order_seed, annotation.show_scores)


def read_settings(path: Path) -> Settings:
    """Read `mlf.toml`.

    Raise `ProjectError` if the file is missing or malformed, names an unknown section or setting, or a value has the
    wrong type.
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
            hint = did_you_mean(name, known, f"known are {', '.join(known)}")
            raise ProjectError(f"{message} {name!r}; {hint}")


def _check(settings: Settings, path: Path) -> None:
    if settings.project.format_version > FORMAT_VERSION:
        raise ProjectError(
            f"{path}: the project has format {settings.project.format_version}, and this version reads up to "
            f"{FORMAT_VERSION}; upgrade multilabelfy"
        )
    bounds: list[tuple[str, float, float, float]] = [
        ("project.format_version", settings.project.format_version, 1, FORMAT_VERSION),
        ("proposals.n_proposals", settings.proposals.n_proposals, 1, 1000),
        ("proposals.examples_per_class", settings.proposals.examples_per_class, 0, 50),
        ("proposals.thumbnail_px", settings.proposals.thumbnail_px, 32, 512),
        ("annotation.annotators_per_image", settings.annotation.annotators_per_image, 1, 100),
        ("annotation.page_size", settings.annotation.page_size, 0, 1000),
        ("annotation.display_px", settings.annotation.display_px, 64, 8192),
        ("annotation.break_after_min", settings.annotation.break_after_min, 0, 600),
        ("annotation.idle_after_s", settings.annotation.idle_after_s, 1, 3600),
        ("experiment.share", settings.experiment.share, 0, 1),
        ("experiment.probe_share", settings.experiment.probe_share, 0, 1),
        ("refinement.audit_share", settings.refinement.audit_share, 0, 1),
        ("hub.processes", settings.hub.processes, 1, 32),
    ]
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise ProjectError(f"{path}: {name} = {value}; it must lie between {low} and {high}")
    try:
        Aim.parse(settings.consensus.aim)
    except DatasetError as error:
        raise ProjectError(f"{path}: [consensus] aim: {error}") from error
    for name in ("models_left_out", "annotators_left_out"):
        names: list[str] = getattr(settings.consensus, name)
        twice = next((one for one in names if names.count(one) > 1 or not one.strip()), None)
        if twice is not None:
            raise ProjectError(f"{path}: [consensus] {name} has {twice!r}; name each once, as the project calls it")
    if settings.hub.sessions == "light" and settings.annotation.regions != "off":
        raise ProjectError(
            f'{path}: [hub] sessions = "light", but [annotation] regions = {settings.annotation.regions!r}: regions '
            'are marked in a kernel; set regions = "off", or sessions = "servers"'
        )
    if settings.hub.processes > 1 and not settings.store.url.startswith("postgresql"):
        raise ProjectError(
            f"{path}: [hub] processes = {settings.hub.processes}, but the store is SQLite, which one process serves; "
            'set processes = 1, or put the store on PostgreSQL: url = "postgresql+psycopg://…" in [store]'
        )
    check_keys(settings.annotation.keys, f"{path}: [annotation.keys]")
    _check_experiment(settings, path)


def _check_experiment(settings: Settings, path: Path) -> None:
    conditions, known = settings.experiment.conditions, [condition.value for condition in Condition]
    where = f"{path}: [experiment] conditions"
    if settings.experiment.share > 0 and not conditions:
        raise ProjectError(f"{where} is empty, but share is {settings.experiment.share}; name one of {known}")
    for name in conditions:
        if name not in known:
            raise ProjectError(f"{where} has {name!r}; known are {', '.join(known)}")
        if conditions.count(name) > 1:
            raise ProjectError(f"{where} has {name!r} twice; name it once")
        usual = usual_presentation(settings.annotation)
        if settings.experiment.share > 0 and replace(usual.under(Condition(name)), condition="") == usual:
            raise ProjectError(
                f"{where} has {name!r}, which is what [annotation] says for all tasks; name one that differs from it"
            )
