"""`notebooks/2_annotate.ipynb`, executed as a person would, and how the environment decides which session opens."""

from __future__ import annotations

import json
from pathlib import Path

import papermill
import pytest

from mlf_widgets.opening import default_annotator, open_session
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.votes.words import Round

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "2_annotate.ipynb"
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.mark.parametrize("by", ["parameters", "environment"])
def test_the_notebook_runs_under_papermill_and_ends_with_the_widget(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    given = {"project": str(project.root), "annotator": "ben"}
    if by == "environment":
        monkeypatch.setenv("MLF_PROJECT", given["project"])
        monkeypatch.setenv("MLF_ANNOTATOR", given["annotator"])
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    parameters = given if by == "parameters" else {}
    executed = tmp_path / "executed.ipynb"
    papermill.execute_notebook(NOTEBOOK, executed, parameters, progress_bar=False, kernel_name="python3")
    outputs = [output for cell in json.loads(executed.read_text())["cells"] for output in cell.get("outputs", [])]
    shown = [output["data"] for output in outputs if VIEW in output.get("data", {})]
    assert len(shown) == 1
    assert "mlf_widgets.annotator.Annotator" in "".join(shown[0]["text/plain"])


def test_a_session_opens_by_its_arguments_then_by_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLF_PROJECT", str(project.root))
    monkeypatch.setenv("MLF_ANNOTATOR", "ben")
    monkeypatch.setenv("MLF_ROUND", "refinement")
    assert (open_session().annotator, open_session().round) == ("ben", Round.REFINEMENT)
    session = open_session(project.root, "ada", "annotation")
    assert (session.annotator, session.round) == ("ada", Round.ANNOTATION)


def test_the_current_folder_may_be_the_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLF_PROJECT", raising=False)
    monkeypatch.chdir(project.root)
    assert open_session(annotator="ada").open().annotator == "ada"
    monkeypatch.chdir(project.root.parent)
    with pytest.raises(ProjectError, match="is not a project"):
        open_session(annotator="ada")


def test_whoever_runs_it_is_the_annotator_unless_somebody_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLF_ANNOTATOR", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "carol")
    assert default_annotator() == "carol"
    monkeypatch.setenv("JUPYTERHUB_USER", "dora")
    assert default_annotator() == "dora"
    monkeypatch.setenv("MLF_ANNOTATOR", "eve")
    assert default_annotator() == "eve"


def test_a_round_that_there_is_not_is_refused_by_name(project: Project) -> None:
    with pytest.raises(ProjectError, match="round 'annotate'; it must be one of annotation, refinement"):
        open_session(project.root, "ada", "annotate")


def test_in_a_hub_the_service_is_asked_for_the_owner_of_the_token(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.service.client import RemoteSession

    monkeypatch.setenv("MLF_SERVICE_URL", "http://127.0.0.1:1/services/mlf")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-ada")
    monkeypatch.setenv("MLF_ROUND", "refinement")
    session = open_session(project.root, "somebody else")
    assert isinstance(session, RemoteSession)
    assert session.round is Round.REFINEMENT
