"""Many people ask for large pictures at once: memory stays bounded, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image, ImageFile
from serving import vote

from pipeline.annotation.session import Picture
from pipeline.images import decoding_turns as turn_taking
from pipeline.project.folder import Project
from pipeline.service import pictures
from pipeline.service.app import create_app
from pipeline.service.client import CrowdedError, RemoteSession
from pipeline.service.identity import Caller
from pipeline.service.limits import Limits
from pipeline.service.wire import save_body, unpack_pictures

ANNOTATION = "/services/mlf/api/rounds/annotation"
PROTOCOL = Path(__file__).parents[2] / "mlf_widgets" / "frontend" / "src" / "shared" / "protocol.ts"
#: More requests than there are threads that read pictures.
N_LARGE = 24
#: Sizes of the large pictures; the third needs more memory than the others.
LARGE = ((2_200, 1_500), (2_200, 1_500), (2_400, 1_500))


class Probe:
    """Counts how many large pictures are being decoded right now, and holds them until the test lets them go."""

    def __init__(self) -> None:
        self.n_now = self.n_most = self.n_done = 0
        self.let_go, self.some_under_way, self.two_under_way = (threading.Event() for _ in range(3))
        self._lock = threading.Lock()
        self._load = ImageFile.ImageFile.load

    def load(self, image: ImageFile.ImageFile) -> object:
        if image.size not in LARGE:
            return self._load(image)
        with self._lock:
            self.n_now += 1
            self.n_most = max(self.n_most, self.n_now)
            if self.n_now == 2:
                self.two_under_way.set()
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
    """Return a probe on a small machine with two cores, where three megapixels are large."""
    made = Probe()
    monkeypatch.setattr(turn_taking, "n_cores", lambda: 2)
    monkeypatch.setattr(turn_taking, "_memory_bytes", lambda: 2**30)
    monkeypatch.setattr(pictures, "LONGEST_WAIT_S", 200.0)  # however busy this machine is
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: made.load(image))
    turn_taking.turns.cache_clear()
    yield made
    made.let_go.set()
    turn_taking.turns.cache_clear()


@pytest.fixture
def app(project: Project) -> FastAPI:
    """Return a service whose images 0 to 2 are large; all others are small."""
    for i, size in enumerate(LARGE):
        shade = np.linspace(0, 255, size[0]).astype(np.uint8)
        picture = np.stack([np.tile(shade, (size[1], 1)), np.full(size[::-1], 80 * i, np.uint8)] * 2, axis=-1)
        Image.fromarray(picture[..., :3]).save(Path(project.images_root) / f"{i}.png", compress_level=1)

    class Ann:
        async def caller(self, _token: str) -> Caller | None:
            return Caller("ann", frozenset({"annotators", "researchers"}))

    # Ann stands for many people: for one person alone, few requests are worked on at once.
    return create_app(project, Ann(), limits=Limits(burst=10**6, at_once=10**3))


def test_large_pictures_are_decoded_two_at_a_time_and_nothing_else_waits_for_them(app: FastAPI, probe: Probe) -> None:
    async def ask() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with app.router.lifespan_context(app), _client(app) as client:
            paths = [f"{ANNOTATION}/images/{i % 3}" for i in range(N_LARGE - 4)]
            paths += [f"{ANNOTATION}/pictures?positions=3,0,4&max_side_px=64"] * 2
            paths += ["/services/mlf/api/explorer/pictures?image_indices=3,0,4&max_side_px=64"] * 2
            large = [asyncio.create_task(client.get(path)) for path in paths]
            assert await asyncio.to_thread(probe.some_under_way.wait, 60)
            # All of them are held, so whatever is answered now has waited for none of them.
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

    others, large = asyncio.run(asyncio.wait_for(ask(), 250))
    assert [answer.status_code for answer in others] == [200] * 10
    assert [answer.status_code for answer in large] == [200] * N_LARGE
    assert probe.n_done >= N_LARGE
    assert probe.n_most == 2
    for i, answer in enumerate(large[:-4]):
        shown = np.asarray(Image.open(BytesIO(answer.content)))
        assert shown.shape == (*LARGE[i % 3][::-1], 3)
        assert abs(int(shown[700, 1100, 1]) - 80 * (i % 3)) < 8
    for answer in large[-4:]:
        sizes = [(p.width_px, p.height_px) for p in unpack_pictures(answer.content) if isinstance(p, Picture)]
        assert sizes == [(80, 60), LARGE[0], (80, 60)]


def test_a_picture_whose_turn_does_not_come_is_to_be_asked_for_again(
    app: FastAPI, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "LONGEST_WAIT_S", 0.2)

    async def ask() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with _client(app) as client:
            asked = [asyncio.create_task(client.get(f"{ANNOTATION}/images/{i % 3}")) for i in range(6)]
            done: set[asyncio.Task[httpx.Response]] = set()
            pending = set(asked)
            while len(done) < 4:  # two hold their turns; all who wait give up
                more, pending = await asyncio.wait(pending, timeout=90, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            probe.let_go.set()
            refused = [task.result() for task in done]
            return refused, [await task for task in pending] + [await client.get(f"{ANNOTATION}/images/0")]

    refused, made = asyncio.run(asyncio.wait_for(ask(), 250))
    for answer in refused:
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "Crowded", "1")
    assert [answer.status_code for answer in made] == [200] * 3
    assert probe.n_most == 2


def test_whoever_goes_away_while_waiting_gives_the_place_up(app: FastAPI, probe: Probe) -> None:
    async def ask() -> list[httpx.Response]:
        async with _client(app) as client:
            held = [asyncio.create_task(client.get(f"{ANNOTATION}/images/{i}")) for i in range(2)]
            assert await asyncio.to_thread(probe.two_under_way.wait, 60)
            gone = [asyncio.create_task(client.get(f"{ANNOTATION}/images/{i}")) for i in range(3)]
            await client.get(f"{ANNOTATION}/images/3?max_side_px=40")
            await asyncio.wait(gone, timeout=0.3)  # by now they are waiting
            for task in gone:
                task.cancel()
            assert all(
                isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*gone, return_exceptions=True)
            )
            probe.let_go.set()
            return [*await asyncio.gather(*held), *[await client.get(f"{ANNOTATION}/images/{i}") for i in range(3)]]

    made = asyncio.run(asyncio.wait_for(ask(), 250))
    assert [answer.status_code for answer in made] == [200] * 5
    assert probe.n_most == 2


def test_pictures_of_growing_size_in_one_answer_wait_for_room_for_the_largest(app: FastAPI, probe: Probe) -> None:
    async def ask() -> httpx.Response:
        async with _client(app) as client:
            held = [asyncio.create_task(client.get(f"{ANNOTATION}/images/{i}")) for i in range(2)]
            assert await asyncio.to_thread(probe.two_under_way.wait, 60)
            several = asyncio.create_task(client.get(f"{ANNOTATION}/pictures?positions=3,0,2&max_side_px=64"))
            await asyncio.wait([several], timeout=0.3)
            assert not several.done()
            probe.let_go.set()
            await asyncio.gather(*held)
            return await several

    answer = asyncio.run(asyncio.wait_for(ask(), 250))
    sizes = [(p.width_px, p.height_px) for p in unpack_pictures(answer.content) if isinstance(p, Picture)]
    assert sizes == [(80, 60), LARGE[0], LARGE[2]]
    assert probe.n_most == 2


def test_a_session_does_not_ask_for_a_crowded_picture_again_while_others_wait_for_its_kernel(
    app: FastAPI, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "LONGEST_WAIT_S", 0.1)
    asked: list[httpx.Request] = []
    slept: list[float] = []
    with TestClient(app, base_url="http://mlf") as client, ThreadPoolExecutor(2) as pool:
        headers = {"Authorization": "token x"}
        held = [pool.submit(client.get, f"{ANNOTATION}/images/{i}", headers=headers) for i in range(2)]
        assert probe.two_under_way.wait(90)
        client.event_hooks = {"request": [asked.append]}
        session = RemoteSession("http://mlf/services/mlf", "x", client=client, sleep=slept.append)
        with pytest.raises(CrowdedError, match="ask again in a moment") as caught:
            session.image(2, None)
        assert f'"{type(caught.value).__name__}"' in PROTOCOL.read_text(), "the browser half knows it by its name"
        assert (len(asked), slept) == (1, [])
        probe.let_go.set()
        assert [one.result().status_code for one in held] == [200, 200]
        assert (session.image(2, None).width_px, len(asked)) == (LARGE[2][0], 2)


def _client(app: FastAPI) -> httpx.AsyncClient:
    headers = {"Authorization": "token x"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mlf", headers=headers, timeout=60)
