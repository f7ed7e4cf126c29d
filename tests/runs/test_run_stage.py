"""Stages as papermill runs them: parameters, the record, HTML, errors and Ctrl-C, with real kernels."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project
from pipeline.runs import StageError, run_stage
from pipeline.runs.record import notebook_hash

pytestmark = pytest.mark.xdist_group("stages")


def _outputs(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    )


def test_a_run_keeps_the_executed_notebook_its_record_and_html_without_code(
    project: Project, make_stage: Callable[..., str], tmp_path: Path
) -> None:
    data = tmp_path / "data.txt"
    data.write_text("some data")
    stage = make_stage(
        "md:# Heading\n\nProse of the stage.",
        "import sys, os\nprint(repr((number, word, os.getcwd(), sys.executable)))  # SECRET CODE",
        "import ipywidgets\nipywidgets.IntSlider(value=3)",
    )
    done = run_stage(project, stage, {"number": 7, "word": str(data)}, report=True)
    root = str(project.root.resolve())
    assert _outputs(done.notebook).strip() == repr((7, str(data), root, sys.executable))
    notebook = nbformat.read(done.notebook, as_version=4)
    record = notebook.metadata["mlf"]
    assert record["parameters"] == {"project": root, "number": 7, "word": str(data)}
    assert record["outcome"] == "done"
    assert record["duration_s"] > 0
    assert record["versions"]["papermill"]
    assert record["data_sha256"]["parameter word"] == hashlib.sha256(b"some data").hexdigest()
    images = hashlib.sha256(project.images_path.read_bytes()).hexdigest()
    assert record["data_sha256"]["images.parquet"] == images
    assert re.fullmatch("[0-9a-f]{64}", record["code"]["notebook_sha256"])
    assert "widgets" not in notebook.metadata
    html = done.html.read_text()
    assert "Prose of the stage." in html
    assert "SECRET CODE" not in html
    assert "<script" not in html.lower()
    assert not re.search(r"""(?:src|href)=["']https?://""", html)
    assert done.report == project.reports_dir / "trial.html"
    links = re.compile(r'<nav class="mlf-site".*?</nav>', re.DOTALL)  # the copy among the reports links the others
    assert links.sub("", done.report.read_text()) == links.sub("", html)
    assert 'href="trial.html" aria-current="page"' in done.report.read_text()
    assert done.folder.parent == project.runs_dir


def test_the_hash_of_a_notebook_is_of_its_code_alone() -> None:
    def notebook(code: str, prose: str) -> nbformat.NotebookNode:
        made = nbformat.v4.new_notebook()
        made.cells = [nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell(code)]
        return made

    first = notebook_hash(notebook("x = 1", "one"))
    assert notebook_hash(notebook("x = 1", "two")) == first
    assert notebook_hash(notebook("x = 2", "one")) != first


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"numbr": 1}, "no parameter 'numbr'; did you mean 'number'"),
        ({"zebra": 1}, "no parameter 'zebra'; it takes project, number, word"),
        ({"word": ["a", 1]}, r"word = \['a', 1\]; give text, a list of texts"),
        ({"number": float("nan")}, "finite"),
    ],
)
def test_parameters_that_the_notebook_does_not_take_are_refused_before_anything_runs(
    project: Project, make_stage: Callable[..., str], parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ProjectError, match=message):
        run_stage(project, make_stage("x = 1"), parameters)
    assert not project.runs_dir.exists()


def test_a_list_of_texts_reaches_the_notebook_and_its_files_are_recorded(
    project: Project, make_stage: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    words = ["a b", str(tmp_path / "weights.pth")]
    done = run_stage(project, make_stage("print('got', word)"), {"word": words})
    made = nbformat.read(done.notebook, as_version=4)
    assert f"got {words}" in json.dumps(made.cells).replace("\\'", "'")
    assert "parameter word 2" in made.metadata["mlf"]["data_sha256"]


def test_a_notebook_without_one_parameters_cell_is_refused(project: Project, make_stage: Callable[..., str]) -> None:
    with pytest.raises(ProjectError, match=r"trial\.ipynb has no cell tagged `parameters`"):
        run_stage(project, make_stage("x = 1", tags=()))
    with pytest.raises(ProjectError, match="not Python"):
        run_stage(project, make_stage("x = 1", parameters="project = "))
    with pytest.raises(ProjectError, match="did you mean 'propose'"):
        run_stage(project, "propos")


def test_an_error_of_ours_comes_out_as_the_same_kind_with_the_run_kept(
    project: Project, make_stage: Callable[..., str]
) -> None:
    stage = make_stage(
        "print('before')",
        "from pipeline.errors import DatasetError\nraise DatasetError('row 3: no such class')",
        "print('after')",
    )
    with pytest.raises(DatasetError, match=r"row 3: no such class \(the run is kept in .*trial\.ipynb\)") as caught:
        run_stage(project, stage, report=True)
    executed = Path(str(caught.value).split("kept in ")[1].rstrip(")"))
    assert _outputs(executed).strip() == "before"
    assert nbformat.read(executed, as_version=4).metadata["mlf"]["outcome"] == "failed"
    assert "no such class" in executed.with_suffix(".html").read_text()
    assert not project.reports_dir.exists()


def test_any_other_error_and_a_dead_kernel_name_the_stage_and_the_notebook(
    project: Project, make_stage: Callable[..., str]
) -> None:
    with pytest.raises(StageError, match=r"stage trial stopped with an unexpected ZeroDivisionError: .*trial\.ipynb"):
        run_stage(project, make_stage("1 / 0"))
    with pytest.raises(StageError, match="stage trial: its kernel died"):
        run_stage(project, make_stage("import os\nos._exit(9)"))


def test_progress_bars_reach_the_terminal_and_leave_one_line_in_the_notebook(
    project: Project, make_stage: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import time\nfrom tqdm.auto import tqdm\n"
        "for _ in tqdm(range(30), desc='working', mininterval=0):\n    time.sleep(0.01)"
    )
    done = run_stage(project, make_stage(code))
    terminal = capfd.readouterr().err
    assert "working: 100%" in terminal
    assert terminal.count("\r") > 3
    (output,) = nbformat.read(done.notebook, as_version=4).cells[-1].outputs
    assert output.text.count("working") == 1
    assert "working" not in done.html.read_text()


def test_a_kernel_that_is_late_with_the_end_of_a_cell_is_waited_for(
    project: Project, make_stage: Callable[..., str]
) -> None:
    cell = (
        "import time\nfrom IPython import get_ipython\nkernel = get_ipython().kernel\ntell = kernel._publish_status\n"
        "def late(status, *more, **named):\n    if status == 'idle':\n        time.sleep(5)\n"
        "        kernel._publish_status = tell\n    tell(status, *more, **named)\n"
        "kernel._publish_status = late\nprint('all of it')"
    )
    done = run_stage(project, make_stage(cell))
    assert "all of it" in _outputs(done.notebook)


def test_ctrl_c_interrupts_the_kernel_lets_it_tidy_up_and_keeps_the_run(
    project: Project, make_stage: Callable[..., str], tmp_path: Path
) -> None:
    started, tidied = tmp_path / "started", tmp_path / "tidied"
    make_stage(
        f"import time\nfrom pathlib import Path\ntry:\n    Path({str(started)!r}).touch()\n    time.sleep(120)\n"
        f"finally:\n    Path({str(tidied)!r}).touch()"
    )
    program = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.runs import notebook_files, run_stage\n"
        "from pipeline.project.folder import open_project\n"
        f"notebook_files.STAGE_NOTEBOOKS['trial'] = 'trial.ipynb'\n"
        f"notebook_files.notebook_path = lambda name: Path({str(tmp_path / 'notebooks')!r}) / name\n"
        f"run_stage(open_project({str(project.root)!r}), 'trial')\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 600
    while not started.exists():
        assert runner.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = _children(runner.pid)
    assert children
    os.kill(runner.pid, signal.SIGINT)
    _, stderr = runner.communicate(timeout=600)
    assert runner.returncode in {1, 130, -signal.SIGINT}
    assert "KeyboardInterrupt" in stderr
    assert tidied.exists()
    (executed,) = project.runs_dir.glob("*/trial.ipynb")
    assert nbformat.read(executed, as_version=4).metadata["mlf"]["outcome"] == "interrupted"
    assert [pid for pid in children if Path(f"/proc/{pid}").exists() and "defunct" not in _state(pid)] == []


def test_stage_one_runs_as_a_notebook_from_the_command_line(project: Project, checkpoint: Path) -> None:
    Path(project.images_root, "class_0/0.png").write_bytes(b"broken")
    arguments = ["propose", str(project.root), "--checkpoint", str(checkpoint), "--device", "cpu", "--n-workers", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments], capture_output=True, text=True, check=True
    )
    assert "proposals for 9 of 10 images, from small" in done.stdout
    assert "class_0/0.png: " in done.stdout
    html = next(project.runs_dir.glob("*-propose/*.html")).read_text()
    assert "0.png" in html
    assert "&lt;b&gt;dog&lt;/b&gt;" in html
    assert "<b>dog</b>" not in html
    assert html.count("data:image/jpeg;base64,") == 5
    again = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments, "--include-original"], capture_output=True, text=True
    )
    assert again.returncode == 2
    assert again.stderr.count("Error: ") == 1
    assert "--restart" in again.stderr
    assert "Traceback" not in again.stderr


def test_stage_one_takes_predictions_that_were_made_elsewhere(project: Project, tmp_path: Path) -> None:
    import numpy as np

    from pipeline.proposals.reader import ProposalReader

    rankings = np.array([np.random.default_rng(i).permutation(5) for i in range(10)], dtype=np.int16)
    np.savez(tmp_path / "elsewhere.npz", model_a=rankings, model_b=rankings[:, :3])
    run_stage(project, "propose", {"from_predictions": str(tmp_path / "elsewhere.npz")})
    rows = ProposalReader(project.proposals_path).rows(range(10))
    assert all(rows[i].class_index[0] == rankings[i, 0] for i in range(10))
    assert json.loads(json.dumps(rows[0].class_index)) == list(rankings[0])


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _state(pid: int) -> str:
    try:
        return "defunct" if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z" else "alive"
    except FileNotFoundError:
        return "defunct"
