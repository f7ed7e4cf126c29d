"""Many people ask for large pictures at once: memory stays bounded, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image, ImageFile
from serving import vote

from pipeline import large_pictures
from pipeline.large_pictures import SMALL_PIXELS
from pipeline.project import Project
from pipeline.service import pictures
from pipeline.service.app import create_app
from pipeline.service.identity import Caller
from pipeline.service.limits import Limits
from pipeline.service.wire import save_body, unpack_pictures
from pipeline.session import Picture

ANNOTATION = "/services/mlf/api/rounds/annotation"
#: More than there are threads that read.
N_LARGE = 24
LARGE = (2_200, 1_500)


class Probe:
    """Counts who decodes a large picture right now, and holds them until they are let go."""

    def __init__(self) -> None:
        self.n_now = self.n_most = self.n_done = 0
        self.let_go, self.some_under_way = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._load = ImageFile.ImageFile.load

    def load(self, image: ImageFile.ImageFile) -> object:
        if image.size[0] * image.size[1] <= SMALL_PIXELS:
            return self._load(image)
        with self._lock:
            self.n_now += 1
            self.n_most = max(self.n_most, self.n_now)
        self.some_under_way.set()
        assert self.let_go.wait(60)
        try:
            return self._load(image)
        finally:
            with self._lock:
                self.n_now -= 1
                self.n_done += 1


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """Return a probe on a machine with two cores to use."""
    made = Probe()
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1}, raising=False)
    monkeypatch.setattr(large_pictures, "_memory_bytes", lambda: 64 * 2**30)
    monkeypatch.setattr(pictures, "LONGEST_WAIT_S", 90.0)  # however busy this machine is
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: made.load(image))
    large_pictures.turns.cache_clear()
    yield made
    made.let_go.set()
    large_pictures.turns.cache_clear()


@pytest.fixture
def app(project: Project) -> FastAPI:
    """Return a service whose images 0 to 2 are large; all others are small."""
    for i in range(3):
        shade = np.linspace(0, 255, LARGE[0]).astype(np.uint8)
        picture = np.stack([np.tile(shade, (LARGE[1], 1)), np.full(LARGE[::-1], 80 * i, np.uint8)] * 2, axis=-1)
        Image.fromarray(picture[..., :3]).save(Path(project.images_root) / f"{i}.png", compress_level=1)

    class Ann:
        async def caller(self, _token: str) -> Caller | None:
            return Caller("ann", frozenset({"annotators", "researchers"}))

    return create_app(project, Ann(), limits=Limits(burst=10**6))


def test_large_pictures_are_decoded_two_at_a_time_and_nothing_else_waits_for_them(app: FastAPI, probe: Probe) -> None:
    async def ask() -> tuple[list[httpx.Response], list[httpx.Response]]:
        headers = {"Authorization": "token x"}
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://mlf", headers=headers, timeout=60) as client,
        ):
            paths = [f"{ANNOTATION}/images/{i % 3}" for i in range(N_LARGE - 4)]
            paths += [f"{ANNOTATION}/pictures?positions=3,0,4&max_side_px=64"] * 2
            paths += ["/services/mlf/api/browse/pictures?image_indices=3,0,4&max_side_px=64"] * 2
            large = [asyncio.create_task(client.get(path)) for path in paths]
            assert await asyncio.to_thread(probe.some_under_way.wait, 30)
            # All of them are held: whatever is answered now has waited for none.
            others = [
                *[await client.get(f"{ANNOTATION}/images/{i}?max_side_px=40") for i in range(3, 10)],
                await client.get(f"{ANNOTATION}/tasks?positions=0,1"),
                await client.get(f"{ANNOTATION}/sprites/0"),
                await client.post(
                    f"{ANNOTATION}/events",
                    content=save_body([vote("meanwhile-1", 0)]),
                    headers={"Content-Type": "application/json"},
                ),
            ]
            assert probe.n_done == 0
            assert not any(task.done() for task in large)
            probe.let_go.set()
            return others, list(await asyncio.gather(*large))

    others, large = asyncio.run(asyncio.wait_for(ask(), 100))
    assert [answer.status_code for answer in others] == [200] * 10
    assert [answer.status_code for answer in large] == [200] * N_LARGE
    assert probe.n_done >= N_LARGE
    assert probe.n_most == 2
    for i, answer in enumerate(large[:-4]):
        shown = np.asarray(Image.open(BytesIO(answer.content)))
        assert shown.shape == (*LARGE[::-1], 3)
        assert abs(int(shown[700, 1100, 1]) - 80 * (i % 3)) < 8
    for answer in large[-4:]:
        sizes = [(p.width_px, p.height_px) for p in unpack_pictures(answer.content) if isinstance(p, Picture)]
        assert sizes == [(80, 60), LARGE, (80, 60)]


def test_a_picture_whose_turn_does_not_come_is_to_be_asked_for_again(
    app: FastAPI, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "LONGEST_WAIT_S", 0.2)

    async def ask() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://mlf", headers={"Authorization": "token x"}, timeout=60
        ) as client:
            asked = [asyncio.create_task(client.get(f"{ANNOTATION}/images/{i % 3}")) for i in range(6)]
            done, pending = await asyncio.wait(asked, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 2:  # two hold their turns, two wait on the threads of those who waited, two give up
                more, pending = await asyncio.wait(pending, timeout=30, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            probe.let_go.set()
            refused = [task.result() for task in done]
            return refused, [await task for task in pending] + [await client.get(f"{ANNOTATION}/images/0")]

    refused, made = asyncio.run(asyncio.wait_for(ask(), 100))
    for answer in refused:
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "ServiceError", "1")
    assert [answer.status_code for answer in made] == [200] * 5
    assert probe.n_most == 2
