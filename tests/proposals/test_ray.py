"""Proposals by the machines of a Ray cluster: whatever ends meanwhile, the tables are those of the local engine."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import fsspec
import psutil
import pytest
import torch
from command_line import run_mlf

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference import cluster as clusters
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_classifier
from pipeline.inference.filling import Filling, RunOptions, fill_tables
from pipeline.inference.networks import Network
from pipeline.inference.predictions import ranking_tables
from pipeline.project.folder import Project, open_project
from pipeline.project.notices import notices_to
from pipeline.project.tables import PREDICTIONS
from pipeline.stages.propose import propose

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

# Ray is imported where it is used: it changes the process that imports it, and every worker imports this file.
is_missing = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e '.[ray]'")
pytestmark = [
    is_missing,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("ray"),
    pytest.mark.usefixtures("ray_token"),
]
is_long = pytest.mark.skipif("MLF_SOAK" not in os.environ, reason="long: run with MLF_SOAK=1")
MakeProject = Callable[..., Project]
#: Ray gives machines up, and processes that begin, after seconds that a busy machine needs; it starts none beforehand.
SYSTEM = {
    "health_check_timeout_ms": 60_000,
    "health_check_period_ms": 1000,
    "worker_register_timeout_seconds": 240,
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
}
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster(ray_token: None) -> Iterator[Cluster]:
    """Return a cluster of a head that computes nothing and two machines of one processor each."""
    import ray
    from ray.cluster_utils import Cluster

    at_sigterm = signal.getsignal(signal.SIGTERM)
    head = {"num_cpus": 0, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    head |= {"_system_config": SYSTEM}
    found = patiently(lambda: Cluster(initialize_head=True, head_node_args={**NODE, **head}))
    for _ in range(2):
        patiently(lambda: found.add_node(**NODE))
    logs = found.head_node.get_session_dir_path()
    yield found
    ray.shutdown()
    found.shutdown()
    shutil.rmtree(logs, ignore_errors=True)
    signal.signal(signal.SIGTERM, at_sigterm)


def patiently(start: Callable[[], Any], n_more: int = 3) -> Any:
    """Start something of Ray's, which gives up after 30 seconds however busy the machine is; end what that leaves."""
    before = set(psutil.Process().children())
    try:
        return start()
    except Exception:
        for process in set(psutil.Process().children()) - before:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if not n_more:
            raise
    return patiently(start, n_more - 1)


@pytest.fixture
def on_cluster(cluster: Cluster) -> dict[str, Any]:
    return {"engine": "ray", "ray_address": cluster.address, "device": "cpu", "batch_size": 2, "precision": "float32"}


def digests(project: Project) -> dict[str, str]:
    """Return what a project's files hold, but for the records of runs."""
    return {
        str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(project.root.rglob("*"))
        if path.is_file() and path.relative_to(project.root).parts[0] != "runs"
    }


def table_of(project: Project, name: str, module: torch.nn.Module) -> Filling:
    """Return a table of a network that has no classes to rank."""
    config = {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear"}
    network = Network(name, module, config, lambda module, pixels: module(pixels))
    path = project.predictions_dir / f"{name}.parquet"
    path.parent.mkdir()
    return Filling(path, PREDICTIONS, 8, {}, name, network, lambda scores: [scores[:, 0].argsort(), scores[:, 0]])


def copied(project: Project, name: str) -> Project:
    return open_project(shutil.copytree(project.root, project.root.parent / name))


def test_the_command_line_takes_a_cluster_and_leaves_the_same_tables(
    make_project: MakeProject, checkpoint: Path, cluster: Cluster
) -> None:
    here = make_project(10, name="here")
    there = copied(here, "there")
    propose(here, checkpoint=checkpoint, device="cpu", batch_size=2, precision="float32", n_workers=0)
    options = ["--checkpoint", checkpoint, "--device", "cpu", "--batch-size", 2, "--precision", "float32"]
    told = run_mlf("propose", there.root, *options, "--engine", "ray", "--ray-address", cluster.address)
    assert "proposals for 10 of 10 images, from small" in told

    def workers() -> set[tuple[str, str]]:
        found = cluster.global_state.actor_table(None, None, None).values()
        return {(one["ActorClassName"], one["State"]) for one in found}

    assert {name for name, _ in workers()} == {"Worker"}
    while workers() != {("Worker", "DEAD")}:  # Ray ends them a moment later; the test's own time limit ends this
        time.sleep(0.1)
    for name in ("proposals.parquet", "predictions/small.parquet"):
        assert (there.root / name).read_bytes() == (here.root / name).read_bytes()


def test_a_killed_worker_and_a_lost_machine_change_nothing(
    make_project: MakeProject, checkpoint: Path, cluster: Cluster, on_cluster: dict[str, Any], tmp_path: Path
) -> None:
    gates = {name: tmp_path / name for name in ("worker", "machine")}

    class Ending(torch.nn.Module):
        """Answers as a network does; at its third batch it ends its process, then another one its machine's Ray."""

        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network, self.n_batches = network, 0

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            self.n_batches += len(pixels) == 3  # two pictures of noise come before the batches
            for name, gate in gates.items() if self.n_batches == 3 else ():
                with suppress(FileNotFoundError):  # unless another worker has been here
                    gate.rename(gate.with_suffix(".passed"))
                    os.kill(os.getpid() if name == "worker" else os.getppid(), signal.SIGKILL)
                    time.sleep(600)
            found: torch.Tensor = self.network(pixels)
            return found

    def ranked(project: Project, **options: Any) -> dict[str, str]:
        classifier = load_classifier(ModelSource(checkpoint=checkpoint), project.label_space)
        run = RunOptions(**{**on_cluster, "batch_size": 3, **options})
        tables = ranking_tables(project, replace(classifier, module=Ending(classifier.module).eval()), 1, 20, run)
        fill_tables(project, tables, 1, run)
        return digests(project)

    whole = make_project(29, name="whole")
    spread = copied(whole, "spread")
    Path(whole.images_root, "class_05/5.png").write_bytes(b"no picture")
    wanted = ranked(whole, engine="local")
    for gate in gates.values():
        gate.touch()
    found = ranked(spread)
    assert [gate.exists() for gate in gates.values()] == [False, False]
    patiently(lambda: cluster.add_node(**NODE))
    assert "predictions/small.parquet" in found
    assert found == wanted


_CUT = """
import signal, sys
from pipeline.inference import filling
from pipeline.project.folder import open_project
from pipeline.stages.propose import propose

write, n_written = filling.PartialTable.write_part, 0
def write_four(self, first_row, table):
    global n_written
    if n_written == 4:
        print("four", flush=True)
        signal.pause()
    n_written += 1
    write(self, first_row, table)
filling.PART_SECONDS, filling.PartialTable.write_part = 0.0, write_four
propose(open_project(sys.argv[1]), checkpoint=sys.argv[2], engine="ray", ray_address=sys.argv[3], device="cpu",
        batch_size=2, precision="float32")
"""


@is_long
def test_what_is_done_when_the_run_itself_is_killed_stays_and_either_engine_goes_on(
    make_project: MakeProject, checkpoint: Path, cluster: Cluster, tmp_path: Path
) -> None:
    make_project(24)
    whole = init_project(tmp_path / "whole", f"file://{tmp_path}/images", tmp_path / "classes.json")
    assert whole.images_root.startswith("file://")
    cut = copied(whole, "cut")
    options: dict[str, Any] = {"checkpoint": checkpoint, "device": "cpu", "batch_size": 2, "precision": "float32"}
    propose(whole, **options)
    run = subprocess.Popen(
        [sys.executable, "-c", _CUT, str(cut.root), str(checkpoint), cluster.address], stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout is not None
        assert "four\n" in run.stdout
    finally:
        run.kill()
        run.wait()
    assert propose(cut, **options).n_done_before == 8
    assert digests(cut) == digests(whole)


def test_images_at_which_every_worker_ends_are_named(
    make_project: MakeProject, on_cluster: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deadly(torch.nn.Module):
        def forward(self, _pixels: torch.Tensor) -> torch.Tensor:
            os._exit(3)

    project = make_project(6)
    monkeypatch.setattr(clusters, "_MOST_TRIES", 2)
    filling = table_of(project, "deadly", Deadly())
    options = RunOptions(**{**on_cluster, "batch_size": 6})
    with pytest.raises(DatasetError, match=r"ended at images 0 to 5 \(counted from 0\), 2 times in a row"):
        fill_tables(project, [filling], 1, options)
    assert not filling.path.exists()


@is_long
def test_images_that_only_this_machine_can_read_are_no_images_without_proposals(
    make_project: MakeProject, checkpoint: Path, on_cluster: dict[str, Any], tmp_path: Path
) -> None:
    make_project(6)
    memory = fsspec.filesystem("memory")
    for path in (tmp_path / "images").rglob("*.png"):
        memory.pipe(f"/only-here/{path.parent.name}/{path.name}", path.read_bytes())
    project = init_project(tmp_path / "elsewhere", "memory://only-here", tmp_path / "classes.json")
    with pytest.raises(DatasetError, match=r"cannot read an image that can be read here \(memory://only-here/class_0"):
        propose(project, checkpoint=checkpoint, **on_cluster)
    assert not project.proposals_path.exists()


@is_long
def test_machines_without_our_modules_are_told_what_they_need(
    make_project: MakeProject, checkpoint: Path, on_cluster: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    only_here = ModuleType("only_here")
    exec("def hardware_here(device): ...", vars(only_here))
    exec("class Worker:\n  def __init__(self, *given): ...\n  def begin(self, *given): ...", vars(only_here))
    monkeypatch.setitem(sys.modules, "only_here", only_here)
    monkeypatch.setattr(clusters, "_MOST_TRIES", 1)
    refusal = (
        r"cannot begin \(ModuleNotFoundError: No module named 'only_here'\); all its machines need the same versions"
    )
    monkeypatch.setattr(clusters, "hardware_here", only_here.hardware_here)
    with pytest.raises(DatasetError, match=refusal):
        RunOptions(**{**on_cluster, "precision": "auto"}).precision_of()
    monkeypatch.setattr(clusters, "Worker", only_here.Worker)
    with pytest.raises(DatasetError, match=refusal):
        propose(make_project(6), checkpoint=checkpoint, **on_cluster)


@is_long
def test_each_machine_gets_one_worker_with_all_its_processors(
    make_project: MakeProject, cluster: Cluster, on_cluster: dict[str, Any], tmp_path: Path
) -> None:
    class Telling(torch.nn.Module):
        """Notes the processors of its worker, and goes on when every machine has one."""

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            import ray

            here = ray.get_runtime_context()
            (told / f"{here.get_node_id()} {here.get_actor_id()}").write_text(str(here.get_assigned_resources()["CPU"]))
            until = time.monotonic() + 600
            while len(list(told.iterdir())) < n_machines and time.monotonic() < until:
                time.sleep(0.1)
            return pixels.mean((2, 3))

    import ray

    patiently(lambda: cluster.add_node(**{**NODE, "num_cpus": 3}))
    project, told = make_project(24), tmp_path / "told"  # more batches than the first machines take at once
    told.mkdir()
    options = RunOptions(**{**on_cluster, "n_workers": 0})
    options.precision_of()
    machines = {node["NodeID"]: node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]}
    n_machines = sum(n_cpus > 0 for n_cpus in machines.values())
    fill_tables(project, [table_of(project, "telling", Telling())], 1, options)
    found = {path.name.split()[0]: float(path.read_text()) for path in told.iterdir()}
    assert found == {machine: n_cpus for machine, n_cpus in machines.items() if n_cpus}
    assert len(list(told.iterdir())) == n_machines
    assert set(found.values()) == {1, 3}


def test_a_gpu_that_no_machine_of_the_cluster_has_is_refused(on_cluster: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="no machine of the Ray cluster has a GPU"):
        RunOptions(**{**on_cluster, "device": "cuda", "precision": "auto"}).precision_of()
    with pytest.raises(ProjectError, match="--ray-address elsewhere:6379: this process is connected to"):
        RunOptions(**{**on_cluster, "ray_address": "elsewhere:6379"}).precision_of()
    with pytest.raises(ProjectError, match="--device cuda:1: with --engine ray"):
        RunOptions(**{**on_cluster, "device": "cuda:1"}).precision_of()


@is_long
def test_a_gpu_that_another_job_holds_is_waited_for_aloud(
    cluster: Cluster, on_cluster: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    class Job:
        def begin(self) -> None:
            pass

    patiently(lambda: cluster.add_node(**NODE, num_gpus=1))
    RunOptions(**on_cluster).precision_of()  # connects
    job = ray.remote(num_cpus=0, num_gpus=1)(Job).remote()
    ray.get(job.begin.remote())
    told: list[str] = []

    def receive(notice: str) -> None:
        told.append(notice)
        ray.kill(job)

    monkeypatch.setattr(clusters, "_PATIENCE_S", 1.0)
    with notices_to(receive), suppress(DatasetError):  # PyTorch finds no GPU there unless this machine has one
        RunOptions(**{**on_cluster, "device": "cuda", "precision": "auto"}).precision_of()
    assert "each needs a GPU" in told[0]
