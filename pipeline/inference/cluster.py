"""Networks that the machines of a Ray cluster run: a worker for each GPU, or for each machine where there is none.

This process hands out batches and takes back rows of tables, never pixels. A batch is the same function of the same
images as on one machine (:mod:`pipeline.inference.engine`), and rows come back in order. If a worker ends, or its
machine, its batches go to others and another worker takes its place. What was done before this process itself ended is
kept by :mod:`pipeline.inference.parts` alone; nothing relies on what Ray keeps.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any, Self

import torch

from pipeline.errors import DatasetError, MlfError, ProjectError
from pipeline.inference.classifier import first_line
from pipeline.inference.cluster_connection import connect
from pipeline.inference.engine import MakeImages, Rows, agreements, ready_networks, rows_of
from pipeline.inference.hardware import choose_devices
from pipeline.inference.loading import ImageBatch, ImageFiles, collated
from pipeline.inference.networks import default_batch_size, preprocessings
from pipeline.inference.precision import Agreement, Hardware, hardware_here
from pipeline.inference.ranking import Looking
from pipeline.project.notices import tell

if TYPE_CHECKING:
    from pipeline.inference.filling import Filling, RunOptions

#: How often a batch may lose its worker before the batch itself is blamed.
_MOST_TRIES = 3
#: Batches that a worker has at once: on a GPU, it decodes one while it computes another; one more waits beside it.
_AT_ONCE = {"cpu": 2, "cuda": 3}
#: Batches of a worker that may be finished ahead of the one that is written next.
_AHEAD = 16
#: When people are told that no machine of the cluster has room for a worker yet.
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Staff:
    """The kind of device that workers get, and for each worker its machine, as Ray names it, and its processors."""

    device: str
    places: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class _Found:
    """A worker's rows of a batch, on which machine it is, and what it knows of the networks' answers so far."""

    rows: Rows
    machine: str
    all_differ: bool
    refusal: str


class Worker:
    """A process of the cluster that fills some tables.

    Parameters
    ----------
    device
        Its kind of device, ``cpu`` or ``cuda``.
    n_threads
        Threads that decode.
    """

    def __init__(self, device: str, n_threads: int) -> None:
        self._device, self._threads = device, ThreadPoolExecutor(n_threads, "decoding")
        self._turn = threading.Lock()

    def begin(self, fillings: Sequence[Filling], images: ImageFiles, n_views: int) -> None:
        """Make the networks ready."""
        self._fillings, self._images = fillings, images
        self._networks = ready_networks(fillings, choose_devices(self._device))
        self._looking = Looking(self._networks, n_views)

    def look(self, indices: Sequence[int], locations: Sequence[str | None]) -> _Found:
        """Return the rows of the images that lie there."""
        batch = self._decoded(self._images, indices, locations)
        with self._turn:
            looked_at = self._looking.collect(self._looking.begin(batch))
            refusal = ""
            try:
                self._looking.end()
            except DatasetError as error:
                refusal = str(error)
            rows = rows_of(looked_at, self._fillings, self._networks)
            return _Found(rows, socket.gethostname(), self._looking.all_differ, refusal)

    def compare(
        self, tables: Sequence[int], images: ImageFiles, indices: Sequence[int], locations: Sequence[str | None]
    ) -> list[Agreement]:
        """Compare the rankings of tables, by position, with those in float32."""
        fillings = [self._fillings[table] for table in tables]
        n_at_once = default_batch_size(fillings[0].network.data_config, torch.device(self._device))
        parts = [slice(first, first + n_at_once) for first in range(0, len(indices), n_at_once)]
        with self._turn:
            batches = (self._decoded(images, indices[part], locations[part]) for part in parts)
            return agreements(fillings, self._networks, batches)

    def _decoded(self, images: ImageFiles, indices: Sequence[int], locations: Sequence[str | None]) -> ImageBatch:
        return collated(list(self._threads.map(images.looked_at, indices, locations)))


class _Post:
    """A worker as this process knows it: its handle, and how many batches it has; none before it has begun."""

    def __init__(self, actor: Any, place: tuple[str, int]) -> None:
        self.actor, self.place, self.has_begun, self.n_given = actor, place, False, 0


class RayEngine:
    """Runs networks on a Ray cluster; use it as a context manager, which ends the workers.

    Parameters
    ----------
    fillings, images, n_views
        As for :class:`pipeline.inference.engine.LocalEngine`.
    options
        How the networks are run; `n_workers` is the number of threads that decode in each worker, by default one for
        each of its processors.

    Raises
    ------
    ProjectError
        If Ray is not installed, or the cluster does not answer.
    DatasetError
        If it has no machine with such a device.
    """

    def __init__(self, fillings: Sequence[Filling], images: MakeImages, n_views: int, options: RunOptions) -> None:
        self._staff = _staff(options)
        configs = preprocessings([filling.network for filling in fillings])
        device = torch.device(self._staff.device)
        n_seen = options.batch_size or min(default_batch_size(config, device) for config in configs)
        self._n_at_once = max(1, n_seen // n_views)
        self._fillings, self._make_images = fillings, images
        self._images = images(configs)
        self._begin_with = (fillings, images(configs), n_views)
        self._n_threads = options.n_workers
        self._posts: list[_Post] = []
        self._under_way: dict[Any, tuple[_Post, int | None]] = {}
        self._tries: Counter[int | None] = Counter()

    def __enter__(self) -> Self:
        import ray

        self._hire = ray.remote(max_concurrency=_AT_ONCE[self._staff.device] - 1)(Worker)
        self._work = [ray.put(part) for part in self._begin_with]
        for place in self._staff.places:
            self._add_worker(place)
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for post in self._posts:
            with suppress(ray.exceptions.RayError):
                ray.kill(post.actor)

    def agreements(self, tables: Sequence[int], sample: Sequence[int]) -> list[Agreement]:
        """Compare the rankings of tables, by position, with those in float32; each image is decoded once."""
        images = self._make_images([self._fillings[tables[0]].network.data_config])
        return list(next(self._answers("compare", [sample], list(tables), images)))

    def rows(self, indices: range) -> Iterator[Rows]:
        """Yield the rows of these images in order, batch by batch."""
        batches = [indices[first : first + self._n_at_once] for first in range(0, len(indices), self._n_at_once)]
        all_differ, refusal = False, ""
        for found in self._answers("look", batches):
            self._refuse_unseen(found)
            all_differ, refusal = all_differ or found.all_differ, found.refusal or refusal
            yield found.rows
        if refusal and not all_differ:
            raise DatasetError(refusal)

    def _answers(self, method: str, batches: Sequence[Sequence[int]], *first: Any) -> Iterator[Any]:
        """Yield what workers answer to `method`, for each batch of images in order; `first` are further arguments."""
        waiting, answers = deque(range(len(batches))), dict[int, Any]()
        for number in range(len(batches)):
            while number not in answers:
                for post in self._posts_with_room():
                    if waiting and waiting[0] < number + _AHEAD * len(self._staff.places):
                        batch = list(batches[waiting[0]])
                        locations = [self._images.location(index) for index in batch]
                        answer = getattr(post.actor, method).remote(*first, batch, locations)
                        self._under_way[answer] = post, waiting.popleft()
                        post.n_given += 1
                given, found, trouble = self._next_answer()
                if trouble is None:
                    self._tries.pop(given, None)
                    if given is not None:
                        answers[given] = found
                    continue
                if given is not None:
                    waiting.appendleft(given)
                self._tries[given] += 1
                self._refuse_more_tries(given, batches, trouble)
            yield answers.pop(number)

    def _posts_with_room(self) -> Iterator[_Post]:
        for n_given in range(_AT_ONCE[self._staff.device]):
            yield from (post for post in self._posts if post.has_begun and post.n_given == n_given)

    def _refuse_more_tries(self, given: int | None, batches: Sequence[Sequence[int]], trouble: Exception) -> None:
        """Refuse to go on where a batch has lost its worker too often, or none begins."""
        if self._tries[given] < _MOST_TRIES * (len(self._staff.places) if given is None else 1):
            return
        if given is None:
            raise _cannot_begin(trouble) from trouble
        raise DatasetError(
            f"a worker of the Ray cluster ended at images {batches[given][0]:,} to {batches[given][-1]:,} (counted "
            f"from 0), {self._tries[given]} times in a row: {first_line(trouble)}; see the memory of its machine "
            "(--batch-size takes fewer images at once) and Ray's logs there"
        ) from trouble

    def _next_answer(self) -> tuple[int | None, Any, Exception | None]:
        """Wait for a worker; return the batch it had (None: it has begun), its answer, and how it ended if it did."""
        import ray

        while not (ready := ray.wait(list(self._under_way), timeout=_PATIENCE_S)[0]):
            if not any(post.has_begun for post in self._posts):
                _tell_of_waiting(self._staff.device)
        post, number = self._under_way.pop(ready[0])
        try:
            answer = ray.get(ready[0])
        except ray.exceptions.RayTaskError as error:
            if number is None or isinstance(error.cause, MlfError):
                raise _cannot_begin(error.cause) from error
            raise
        except ray.exceptions.RayError as error:  # the worker has ended, or the machine that had its answer
            if post in self._posts:
                self._posts.remove(post)
                with suppress(ray.exceptions.RayError):
                    ray.kill(post.actor)
                self._add_worker(post.place)
            return number, None, error
        post.n_given -= number is not None
        post.has_begun = True
        return number, answer, None

    def _add_worker(self, place: tuple[str, int]) -> None:
        """Add a worker on a machine, or, once that is gone, on another with as many processors for it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        (machine, n_cpus), device = place, self._staff.device
        hire = self._hire.options(
            num_cpus=n_cpus,
            num_gpus=int(device == "cuda"),
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=True),
        )
        post = _Post(hire.remote(device, max(1, n_cpus if self._n_threads is None else self._n_threads)), place)
        self._posts.append(post)
        self._under_way[post.actor.begin.remote(*self._work)] = post, None

    def _refuse_unseen(self, found: _Found) -> None:
        """Refuse a batch with an image that this machine can read, but not the worker's."""
        for index, reason in found.rows.failures.items():
            if not isinstance(self._images.looked_at(index, self._images.location(index))[1], str):
                raise DatasetError(
                    f"{found.machine}, a machine of the Ray cluster, cannot read an image that can be read here "
                    f"({reason}); all its machines need the images under the same path or URL. Give the same command "
                    "again once they have them"
                )


def hardware_of_cluster(options: RunOptions) -> set[Hardware]:
    """Return what the workers of a Ray cluster compute on; each machine is asked where the precision depends on it.

    Raise what :class:`RayEngine` raises.
    """
    staff = _staff(options)
    if options.precision != "auto":
        return {Hardware(staff.device, "float32")}
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, num_gpus=int(staff.device == "cuda"))(hardware_here)
    asked = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=False)).remote(staff.device)
        for machine in {machine for machine, _ in staff.places}
    ]
    while ray.wait(asked, num_returns=len(asked), timeout=_PATIENCE_S)[1]:
        _tell_of_waiting(staff.device)
    found = set[Hardware]()
    for answer in asked:
        try:
            found |= ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise _cannot_begin(error.cause) from error
        except ray.exceptions.RayError:
            continue  # a machine that has just gone computes nothing
    return found or {Hardware(staff.device, "float32")}


def _tell_of_waiting(device: str) -> None:
    needs = "a GPU and its share of its machine's CPUs" if device == "cuda" else "all CPUs of its machine"
    tell(f"no worker of the Ray cluster has begun yet; each needs {needs}: `ray status` tells who has them")


def _cannot_begin(cause: BaseException) -> MlfError:
    """Return the error of a machine on which ours cannot run; an import that failed stands last in what Ray tells."""
    if isinstance(cause, MlfError):
        return cause
    last_line = "".join(format_exception_only(cause)).strip().splitlines()[-1].strip()
    return DatasetError(
        f"a worker of the Ray cluster cannot begin ({last_line}); all its machines need the same versions "
        "of Python, multilabelfy and PyTorch"
    )


def _machines(device: str) -> list[dict[str, Any]]:
    """Return the machines of the cluster that have such a device, as Ray describes them."""
    import ray

    name = "GPU" if device == "cuda" else "CPU"
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get(name, 0) >= 1]


def _staff(options: RunOptions) -> _Staff:
    """Return the places of workers: one for each GPU, or for each machine where there is none; they share its CPUs."""
    connect(options.ray_address)
    if options.device not in ("auto", "cpu", "cuda"):
        raise ProjectError(
            f"--device {options.device}: with --engine ray there are auto, cpu and cuda; Ray gives them out"
        )
    device = "cuda" if options.device != "cpu" and _machines("cuda") else "cpu"
    if options.device == "cuda" and device == "cpu":
        raise DatasetError("--device cuda: no machine of the Ray cluster has a GPU; --device cpu takes those without")
    places = []
    for machine in _machines(device):
        n_here = int(machine["Resources"]["GPU"]) if device == "cuda" else 1
        places += [(machine["NodeID"], int(machine["Resources"].get("CPU", 0)) // n_here)] * n_here
    if not places:
        raise DatasetError("the Ray cluster has no machine with a CPU for tasks; join one with `ray start`")
    return _Staff(device, places)
