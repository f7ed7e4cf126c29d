"""What goes over the network while a page is open, and which images of a project are among it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageOps
from playwright.sync_api import Error, Page, Request, Response, WebSocket

from pipeline.images.locations import join_location
from pipeline.project.folder import Project
from pipeline.project.opaque_ids import ImageNumbers

_JPEG = b"\xff\xd8\xff"
_LOOK_PX = 8
#: Mean difference of two looks, of 255, up to which they show the same image; unlike images differ by 40 and more.
_ALIKE = 12.0


@dataclass(frozen=True)
class SentExamples:
    """The examples of a class as they came to the page, and for which group of tasks they were sent."""

    class_index: int
    group: str
    tiles: list[Image.Image]


#: Requests of JupyterLab for the notebook's own file and for its bundles: not of an annotator's session in a hub.
_STATIC = re.compile(r"/(static|lab/extensions)/")
#: Pages of light sessions, and what they ask for.
_WORK = re.compile(r"/work/(?:annotation|refinement)(?:/(\w+))?(?:\?|$)")
_REQUEST = re.compile(r'\{"id": ?"([^"]+)", ?"kind": ?"(?:sprite|first_examples)", ?"params": ?(?=\{)')


class Wire:
    """Everything that goes over the network while a page is open: frames in both ways, addresses, and answers."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[bytes] = []
        self._of_answers: dict[Response, list[bytes]] = {}
        self._fetched: set[str] = set()
        self._finished: set[Request] = set()
        self.responses: list[Response] = []
        page.on("websocket", self._listen)
        page.on("response", lambda response: self.responses.append(response))
        page.on("requestfinished", lambda request: self._finished.add(request))

    def _whole(self) -> Iterator[Response]:
        """Yield the answers that come to an end: what a page was still reading when it was left never does."""
        pages = [number for number, each in enumerate(self.responses) if each.request.is_navigation_request()]
        for number, response in enumerate(self.responses):
            if response.request in self._finished or number >= max(pages, default=0):
                yield response

    @property
    def frames(self) -> list[bytes]:
        """Return the messages between page and session; a light page's as a kernel's channel would carry them."""
        for response in self._whole():
            if response not in self._of_answers and _WORK.search(response.url) and response.ok:
                self._of_answers[response] = []
                if response.request.method == "GET" and response.url in self._fetched:
                    continue  # the browser had it already
                with suppress(Error):
                    self._of_answers[response] = _as_frames(response)
                    self._fetched.add(response.url)
        return [*self._frames, *(frame for frames in self._of_answers.values() for frame in frames)]

    def hears(self, is_it: Callable[[bytes], object]) -> None:
        """Wait for a message: the page may show what was in it before we are told that it has come to its end."""
        for _ in range(600):
            if any(map(is_it, self.frames)):
                return
            self._page.wait_for_timeout(100)
        raise AssertionError("no such message has come")

    def everything(self) -> bytes:
        """Return all of it in one."""
        bodies = []
        whole = set(self._whole())
        for response in self.responses:
            bodies.append(response.url.encode())
            if response in whole and response.ok and not _STATIC.search(response.url):
                with suppress(Error):  # the browser has let go of what the page before had fetched
                    bodies.append(response.body())
        return b"\n".join([*self.frames, *bodies])

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Yield each task that the kernel told the page about."""
        decoder = json.JSONDecoder()
        for frame in self.frames:
            text = frame.decode("utf-8", "replace")
            for found in re.finditer(r'\{"position": ?\d+, ?"image_number"', text):
                yield decoder.raw_decode(text, found.start())[0]

    def _listen(self, socket: WebSocket) -> None:
        def keep(payload: str | bytes) -> None:
            self._frames.append(payload if isinstance(payload, bytes) else payload.encode())

        socket.on("framereceived", keep)
        socket.on("framesent", keep)

    def pictures(self) -> list[Image.Image]:
        """Return every picture that came in a message."""
        return [picture for frame in self.frames for picture in _pictures_in(frame)]

    def examples(self) -> Iterator[SentExamples]:
        """Yield the examples that came, in answer to what was asked for."""
        decoder = json.JSONDecoder()
        texts = [frame.decode("utf-8", "replace") for frame in self.frames]
        asked = {found[1] for text in texts for found in _REQUEST.finditer(text)}
        for text, frame in zip(texts, self.frames, strict=True):
            for request in asked:
                answer = re.search(rf'\{{"id": ?"{re.escape(request)}", ?"ok": ?true, ?"result": ?(?=\[)', text)
                if answer is None:
                    continue
                heads = decoder.raw_decode(text, answer.end())[0]
                pictures = iter(_pictures_in(frame))
                for head in heads:
                    tiles = _tiles(next(pictures), head) if head["n_examples"] else []
                    yield SentExamples(head["class_index"], head["group"], tiles)


class Looks:
    """What the images of a project look like, so that they are known again however small."""

    def __init__(self, project: Project) -> None:
        numbers = ImageNumbers.of(project.secret)
        self._looks: dict[str, np.ndarray] = {}
        for row in pq.read_table(project.images_path).to_pylist():
            with Image.open(join_location(project.images_root, row["path"])) as image:
                self._looks[numbers.image_id(row["image_index"])] = _look(image)

    def named(self, picture: Image.Image) -> set[str]:
        """Return the ids of the images that a picture shows."""
        look = _look(picture)
        return {image_id for image_id, known in self._looks.items() if np.abs(known - look).mean() <= _ALIKE}


def images_beside_themselves(wire: Wire, project: Project) -> tuple[int, list[str]]:
    """Return how many tiles came that show an image of the project, and the images that came as their own example."""
    looks = Looks(project)
    group_of = {task["image_id"]: task["example_group"] for task in wire.tasks()}
    n_known, found = 0, []
    for sent in wire.examples():
        for tile in sent.tiles:
            known = looks.named(tile)
            n_known += bool(known)
            found += [image_id for image_id in known if group_of.get(image_id) == sent.group]
    return n_known, found


def _as_frames(response: Response) -> list[bytes]:
    kind, body = _WORK.search(response.url)[1], response.body()  # type: ignore[index]
    if response.request.method != "POST":
        return [body]
    head_end = 4 + int.from_bytes(body[:4], "big")
    request_id = f"request {id(response)}"
    request = {"id": request_id, "kind": kind, "params": response.request.post_data_json}
    reply = {"id": request_id, "ok": True, "result": json.loads(body[4:head_end])["result"]}
    return [json.dumps(request).encode(), json.dumps(reply, ensure_ascii=False).encode() + body[head_end:]]


def _pictures_in(frame: bytes) -> list[Image.Image]:
    starts = [found.start() for found in re.finditer(re.escape(_JPEG), frame)]
    ends = [*starts[1:], len(frame)] if starts else []
    return [Image.open(BytesIO(frame[start:end])).convert("RGB") for start, end in zip(starts, ends, strict=True)]


def _tiles(picture: Image.Image, head: dict[str, Any]) -> list[Image.Image]:
    side = head["tile_px"]
    assert picture.size == (side * head["n_columns"], side * -(-head["n_examples"] // head["n_columns"]))
    corners = [divmod(number, head["n_columns"]) for number in range(head["n_examples"])]
    return [picture.crop((column * side, row * side, (column + 1) * side, (row + 1) * side)) for row, column in corners]


def _look(picture: Image.Image) -> np.ndarray:
    return np.asarray(ImageOps.fit(picture.convert("RGB"), (_LOOK_PX, _LOOK_PX)), dtype=float)
