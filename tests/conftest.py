"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
import random
import re
import secrets
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from pipeline.project import secret

if TYPE_CHECKING:
    from pipeline.project.folder import Project
    from pipeline.votes.arrays import VoteArrays

# The same examples in every run, others in each long run. On a busy machine an example may take any time: no failure.
_is_seeded = "MLF_SOAK" not in os.environ
settings.register_profile(
    "any_machine", deadline=None, derandomize=_is_seeded, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any_machine")
if _is_seeded:
    # Hypothesis also draws constants of the modules imported so far, which hang on the order of the tests: none here.
    providers._get_local_constants = lambda: providers._local_constants

# The workers and what they start share the cores; networks and matrices this small are done sooner in one thread.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

_TESTS = Path(__file__).parent
SHARED_DATA = Path(os.environ.get("MLF_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.hookimpl(tryfirst=True)  # before the fixtures that make projects
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Draw the secrets of the projects that a test makes from its name: who gets what is the same in every run."""
    if _is_seeded:
        drawn = random.Random(f"{item.path.name} {item.name}")  # not `nodeid`, which has a group under xdist
        vars(secret)["secrets"] = SimpleNamespace(token_hex=secrets.token_hex, token_bytes=drawn.randbytes)


@pytest.fixture(scope="session")
def votes_as_rows() -> Callable[[VoteArrays], list[tuple[str, str, str, str]]]:
    """Return a function that lists votes in their order as (image, class, annotator, vote)."""
    from pipeline.votes.words import VOTE_ORDER

    def rows(votes: VoteArrays) -> list[tuple[str, str, str, str]]:
        return [
            (str(votes.images[image]), str(votes.classes[class_]), str(votes.annotators[annotator]), VOTE_ORDER[vote])
            for image, class_, annotator, vote in zip(
                votes.item_image[votes.item], votes.item_class[votes.item], votes.annotator, votes.vote, strict=True
            )
        ]

    return rows


@pytest.fixture(scope="session")
def give_to_refiners() -> Callable[..., None]:
    """Return a function that gives images to people for refinement, whatever `mlf refine` would have chosen."""
    from pipeline.store import Assignment, open_project_store
    from pipeline.votes.words import Round

    def give(project: Project, images: Iterable[int], *people: str, kind: str = "human") -> None:
        with open_project_store(project) as store:
            store.add_annotators(people, kind=kind)
            given = [Assignment(people[turn % len(people)], image) for turn, image in enumerate(images)]
            store.assign(Round.REFINEMENT, given)

    return give


@pytest.fixture(scope="session")
def disk_of_3_mb() -> Callable[[Path], AbstractContextManager[Path]]:
    """Return a function that makes a folder on a disk of three megabytes; skip the test where mounting is refused."""

    @contextmanager
    def mounted(folder: Path) -> Iterator[Path]:
        folder.mkdir()
        if os.geteuid() != 0:
            pytest.skip("mounting a small disk needs root")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip(f"this machine lets nobody mount: {done.stderr.decode().strip()}")
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)

    return mounted


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of published data, or skip the test where it is not beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no published data at {SHARED_DATA}; set MLF_SHARED_DATA to the folder that holds it")
    return SHARED_DATA


def pytest_report_header() -> str:
    """Say which versions of the dependencies are tested: the newest under `make test`, others under `test-lowest`."""
    project = tomllib.loads((_TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["hub"]]
    found = []
    for name in (re.split(r"[^\w.-]", requirement)[0] for requirement in asked):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return "versions: " + ", ".join(found)


#: Folders whose tests take longest, longest first, so that each of two workers begins with one of them.
_LONGEST = ("browser", "hub", "service", "demo", "stages", "runs", "architecture", "toybox", "proposals")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups after us
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a folder's tests on one worker (`--dist loadgroup`): its fixtures are made once, its servers run alone."""
    folders = {item: item.path.relative_to(_TESTS).parts[0] for item in items}
    for item, folder in folders.items():
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(folder))
    items.sort(key=lambda item: _LONGEST.index(folders[item]) if folders[item] in _LONGEST else len(_LONGEST))
