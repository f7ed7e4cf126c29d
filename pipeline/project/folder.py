"""One project is one folder: its settings, its tables, its store, its runs and its reports."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ProjectError
from pipeline.project.changing import finish_change
from pipeline.project.label_space import LabelSpace, read_project_classes, write_label_space
from pipeline.project.secret import ProjectSecret, make_secret, read_secret
from pipeline.project.settings import FORMAT_VERSION, Settings, read_settings, write_settings

if TYPE_CHECKING:
    from pipeline.project.current_classes import CurrentClasses

SETTINGS_FILE = "mlf.toml"


@dataclass(frozen=True)
class Project:
    """An open project folder; everything else gets the paths inside it from here.

    Parameters
    ----------
    root
        The folder that holds `mlf.toml`.
    settings
        As read from that file.
    """

    root: Path
    settings: Settings

    @property
    def classes_path(self) -> Path:
        """Return the path of the label space."""
        return self.root / "classes.parquet"

    @property
    def images_path(self) -> Path:
        """Return the path of the image manifest."""
        return self.root / "images.parquet"

    @property
    def skipped_path(self) -> Path:
        """Return the path of the list of images that could not be used."""
        return self.root / "skipped.parquet"

    @property
    def proposals_path(self) -> Path:
        """Return the path of the finished proposals."""
        return self.root / "proposals.parquet"

    @property
    def examples_path(self) -> Path:
        """Return the path of the packed example images."""
        return self.root / "examples.parquet"

    @property
    def class_pairs_path(self) -> Path:
        """Return the path of the pairs of classes that stand beside each other."""
        return self.root / "class_pairs.json"

    @property
    def predictions_dir(self) -> Path:
        """Return the folder of predictions, one Parquet file per model."""
        return self.root / "predictions"

    @property
    def candidates_dir(self) -> Path:
        """Return the folder of candidates, one Parquet file per method: what proposals are merged from."""
        return self.root / "candidates"

    @property
    def features_dir(self) -> Path:
        """Return the folder of frozen features, one Parquet file per backbone."""
        return self.root / "features"

    @property
    def results_dir(self) -> Path:
        """Return the folder of tables that stages 3 to 5 write."""
        return self.root / "results"

    @property
    def refined_labels_path(self) -> Path:
        """Return the path of the refined labels."""
        return self.results_dir / "refined_labels.parquet"

    @property
    def runs_dir(self) -> Path:
        """Return the folder of executed notebooks."""
        return self.root / "runs"

    @property
    def reports_dir(self) -> Path:
        """Return the folder of rendered reports."""
        return self.root / "reports"

    @property
    def store_url(self) -> str:
        """Return the SQLAlchemy URL of the store: the embedded SQLite file unless `mlf.toml` names another."""
        return self.settings.store.url or f"sqlite:///{(self.root / 'store.sqlite').resolve()}"

    @property
    def images_root(self) -> str:
        """Return the folder or URL of the images; a relative folder is relative to the project folder."""
        return self._resolve(self.settings.project.images_root)

    @property
    def examples_root(self) -> str:
        """Return the folder or URL of the examples; a relative folder is relative to the project folder."""
        return self._resolve(self.settings.project.examples_root)

    @property
    def image_folders(self) -> list[str]:
        """Return the further folders of images."""
        return [self._resolve(location) for location in self.settings.project.image_folders]

    @property
    def link_roots(self) -> list[str]:
        """Return the folders that image links may lead to; relative ones are relative to the project folder."""
        return [self._resolve(location) for location in self.settings.project.link_roots]

    @cached_property
    def label_space(self) -> LabelSpace:
        """Return the label space; it is read once."""
        return read_project_classes(self.require(self.classes_path, "mlf init"))

    @cached_property
    def current_classes(self) -> CurrentClasses:
        """Return what indices of classes in older tables mean now."""
        from pipeline.project.current_classes import CurrentClasses

        return CurrentClasses(self.label_space)

    @cached_property
    def secret(self) -> ProjectSecret:
        """Return the project's secret; it is read once (:mod:`pipeline.project.secret`)."""
        return read_secret(self.root)

    def require_newest_format(self) -> None:
        """Raise `ProjectError` where the project is of an older version, whose readers would misread a changed one."""
        if self.settings.project.format_version < FORMAT_VERSION:
            raise ProjectError(
                f"{self.root} was made by an older version, which could not read it after this change; run "
                f"`mlf project upgrade {self.root}` first: it copies the project, then brings it up to date"
            )

    def with_classes(self, space: LabelSpace) -> Project:
        """Return the project as it would be with another list of classes; nothing is written."""
        changed = replace(self)
        changed.__dict__["label_space"] = space  # where the cached property keeps it
        return changed

    def require(self, path: Path, command: str) -> Path:
        """Return `path` if it exists.

        Raise `ProjectError` if it does not exist; the message names the command that makes it.
        """
        if not path.exists():
            raise ProjectError(
                f"{self.root} has no {path.relative_to(self.root)} yet; run `{command} {self.root}` first"
            )
        return path

    def _resolve(self, location: str) -> str:
        if not location or "://" in location or Path(location).is_absolute():
            return location
        return str((self.root / Path(location).expanduser()).resolve())


def open_project(root: str | Path) -> Project:
    """Open the project in this folder.

    Raise `ProjectError` if it is not a project folder, or its settings are wrong.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise ProjectError(f"{root}: no such folder; make a project there with `mlf init {root} --images …`")
    finish_change(root)
    return Project(root, read_settings(root / SETTINGS_FILE))


def require_free(root: Path) -> None:
    """Raise `ProjectError` unless a project can be made in this folder: it is empty, or there is none."""
    if (root / SETTINGS_FILE).exists():
        raise ProjectError(f"{root} is a project already; open it, or choose another folder")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ProjectError(f"{root} exists and is not empty; choose a new folder for the project")


def create_project(root: str | Path, settings: Settings, label_space: LabelSpace) -> Project:
    """Make a project folder with its settings and label space; images and everything else come later.

    Raise `ProjectError` if the folder already holds a project, or anything else.
    """
    root = Path(root).expanduser()
    require_free(root)
    root.mkdir(parents=True, exist_ok=True)
    section = replace(settings.project, id=settings.project.id or uuid.uuid4().hex)
    project = Project(root, replace(settings, project=section))
    write_label_space(label_space, project.classes_path)
    make_secret(root)
    write_settings(project.settings, root / SETTINGS_FILE)
    return project
