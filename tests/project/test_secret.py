"""The secret of a project: whoever has it can foresee what is drawn, and nobody else can."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import ProjectError
from pipeline.project.folder import create_project, open_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.secret import ProjectSecret, make_secret
from pipeline.project.settings import Settings


def make(folder: Path) -> Path:
    return create_project(folder, Settings(), label_space_from_keys(["a", "b"])).root


def test_each_project_has_a_secret_of_its_own_that_its_owner_alone_reads(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    assert (one / "secret").stat().st_mode & 0o777 == 0o600
    assert open_project(one).secret.digest("x", 1) != open_project(other).secret.digest("x", 1)
    assert (one / "secret").read_text().strip() not in (one / "mlf.toml").read_text()


def test_a_copied_project_draws_the_same(tmp_path: Path) -> None:
    root = make(tmp_path / "one")
    copied = shutil.copytree(root, tmp_path / "copy")
    assert open_project(root).secret.seed("audit", 3) == open_project(copied).secret.seed("audit", 3)


def test_a_project_of_before_gets_a_secret_once(tmp_path: Path) -> None:
    root = make(tmp_path / "one")
    (root / "secret").unlink()
    first = open_project(root).secret.digest("x")
    assert open_project(root).secret.digest("x") == first
    assert make_secret(root).digest("x") == first
    assert [path.name for path in root.iterdir() if path.name.startswith(".secret")] == []


@pytest.mark.parametrize("text", ["", "no hex", "ab" * 31])
def test_a_damaged_secret_is_told_of_and_not_replaced(tmp_path: Path, text: str) -> None:
    root = make(tmp_path / "one")
    (root / "secret").write_text(text)
    with pytest.raises(ProjectError, match="secret"):
        _ = open_project(root).secret
    assert (root / "secret").read_text() == text


def test_purposes_and_values_do_not_run_into_each_other() -> None:
    secret = ProjectSecret(b"k" * 32)
    digests = [secret.digest(*words) for words in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a", "1:b"))]
    assert len(set(digests)) == len(digests)
    assert secret.seed("audit", 0) != secret.seed("gold", 0)


def test_a_secret_does_not_show_itself() -> None:
    assert "6b6b" not in repr(ProjectSecret(b"k" * 32))
    assert "kk" not in repr(ProjectSecret(b"k" * 32))
