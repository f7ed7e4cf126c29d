"""A session in a hub: everything comes through the Hub's service; the kernel sees neither the folder nor the store.

The kernel's own token says who is working; the service sets the name. Every request may be sent again: reads change
nothing, and saving an event twice has the same effect as saving it once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from pipeline.annotation.events import Event
from pipeline.annotation.session import (
    Changes,
    GridPage,
    OwnProgress,
    Picture,
    Progress,
    SaveResult,
    SessionInfo,
    Sprite,
    Task,
    TaskFilter,
    Unreadable,
)
from pipeline.errors import DatasetError, MlfError, ServiceError, StoreError
from pipeline.hub.sockets import socket_of
from pipeline.project.label_space import LabelSpace
from pipeline.service import wire
from pipeline.service.own_socket import OwnSocketTransport
from pipeline.votes.words import Round

URL_VARIABLE = "MLF_SERVICE_URL"
TOKEN_VARIABLE = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - the variable's name
#: Seconds to wait before each further try.
RETRY_DELAYS_S = (0.1, 0.3, 0.9)
_TIMEOUT = httpx.Timeout(10.0, connect=2.0)
_RETRIED = frozenset({429, 502, 503, 504})


class _NotTakenError(ServiceError):
    """The service does not accept this request, however often it is sent."""


class CrowdedError(ServiceError):
    """Many large pictures are asked for at once: this one may be asked for again, but later and not from here.

    A kernel handles one request at a time: if it tried again itself, its annotator's saves would have to wait.
    """


_ERRORS: Mapping[str, type[MlfError]] = {
    "StoreError": StoreError,
    "DatasetError": DatasetError,
    "Invalid": _NotTakenError,
    "TooLarge": _NotTakenError,
    "Crowded": CrowdedError,
}
_SPRITES_KEPT = 256
_MAX_EVENTS_AT_ONCE = 100
#: Kept below `Limits.max_body_bytes`, above which the service refuses a request.
_MAX_BODY_BYTES = 900_000
UNREADABLE_ANSWER = (
    "the service's answer cannot be read; the hub and this session run different versions of multilabelfy"
)
_T = TypeVar("_T")


class ServiceClient:
    """Sends requests to the service, again where that can help.

    Parameters
    ----------
    url
        The service's address (``https://…/services/mlf``, or ``http+unix://`` and a socket); if left out,
        MLF_SERVICE_URL from the environment.
    token
        The Hub's token for the person's own session; if left out, JUPYTERHUB_API_TOKEN from the environment.
    client
        An HTTP client to use; if left out, one is made here.
    sleep
        Called with the seconds to wait between tries.

    Raises
    ------
    ServiceError
        If no address or token is known.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        url = url or os.environ.get(URL_VARIABLE, "")
        token = token or os.environ.get(TOKEN_VARIABLE, "")
        for value, name in ((url, URL_VARIABLE), (token, TOKEN_VARIABLE)):
            if not value:
                raise ServiceError(f"{name} is not set; a session in a hub has it, elsewhere open the project's folder")
        by_socket = socket_of(url)
        self._shown_url = url
        self._url = f"http://service{by_socket[1]}".rstrip("/") if by_socket else url.rstrip("/")
        self._headers = {"Authorization": f"token {token}"}
        transport = OwnSocketTransport(by_socket[0]) if by_socket else None
        self._client = client or httpx.Client(timeout=_TIMEOUT, trust_env=False, transport=transport)
        self._sleep = sleep
        self._space: LabelSpace | None = None

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._client.close()

    def _read(self, shape: TypeAdapter[_T], path: str, params: Mapping[str, Any] | None = None) -> _T:
        return _parse(shape, self._get(path, params).content)

    def _classes(self, path: str) -> LabelSpace:
        if self._space is None:
            self._space = self._read(wire.CLASSES, path).label_space()
        return self._space

    def _pictures(self, path: str, named: str, numbers: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        if not numbers:
            return []
        params = {named: ",".join(map(str, numbers)), "max_side_px": max_side_px}
        try:
            return wire.unpack_pictures(self._get(path, params).content)
        except ValueError as error:
            raise ServiceError(UNREADABLE_ANSWER) from error

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> httpx.Response:
        return self._send("GET", path, params=dict(params or {}))

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        problem: MlfError = ServiceError("the annotation service was not asked")
        for delay_s in (*RETRY_DELAYS_S, None):
            try:
                response = self._client.request(
                    method, self._url + path, headers=self._headers | dict(headers or {}), **request
                )
            except httpx.TransportError as error:
                problem = ServiceError(
                    f"the annotation service at {self._shown_url} is away ({type(error).__name__}); "
                    "your work is kept here and sent when it is back"
                )
            else:
                if response.status_code == httpx.codes.OK:
                    return response
                problem = _error(response)
                if response.status_code not in _RETRIED or isinstance(problem, CrowdedError):
                    break
            if delay_s is None:
                break
            self._sleep(delay_s)
        raise problem


class RemoteSession(ServiceClient):
    """One annotator's view of one round, through the service.

    Parameters
    ----------
    url, token, client, sleep
        How to reach the service, as for `ServiceClient`.
    round_
        Which round.

    Raises
    ------
    ServiceError
        If no address or token is known.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        round_: Round | str = Round.ANNOTATION,
        *,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(url, token, client=client, sleep=sleep)
        self._round = Round(round_)
        self._name = ""
        self._sprite = lru_cache(maxsize=_SPRITES_KEPT)(self._fetch_sprite)

    @property
    def annotator(self) -> str:
        """Whose session it is: the owner of the token, as the service says."""
        if not self._name:
            self._name = self._read(wire.ME, "/api/me").name
        return self._name

    @property
    def round(self) -> Round:
        """Which round it works in."""
        return self._round

    def open(self) -> SessionInfo:
        """Return what the session needs only once."""
        info = self._in_round(wire.SESSION_INFO, "open")
        self._name = info.annotator
        return info

    def label_space(self) -> LabelSpace:
        """Return all classes; they are fetched only once."""
        return self._classes(f"{self._path}/classes")

    def tasks(self, positions: Sequence[int]) -> list[Task]:
        """Return the tasks at these positions, in this order."""
        wanted = [str(position) for position in positions if position >= 0]
        return self._in_round(wire.TASKS, "tasks", positions=",".join(wanted)) if wanted else []

    def find(self, which: TaskFilter, start: int, step: int) -> int | None:
        """Return the nearest position from `start` on that passes the filter."""
        return self._in_round(wire.FOUND, "find", which=TaskFilter(which).value, start=start, step=step).position

    def image(self, position: int, max_side_px: int | None) -> Picture:
        """Return a task's image."""
        params = {} if max_side_px is None else {"max_side_px": max_side_px}
        return _picture(self._get(f"{self._path}/images/{position}", params))

    def images(self, positions: Sequence[int], max_side_px: int) -> list[Picture | Unreadable]:
        """Return several tasks' images, scaled down, in one request."""
        return self._pictures(f"{self._path}/pictures", "positions", positions, max_side_px)

    def sprite(self, class_index: int, group: str = "") -> Sprite:
        """Return the packed examples of a class, for tasks of a group; the most recently used are kept here."""
        return self._sprite(class_index, group)

    def example(self, class_index: int, number: int, group: str = "") -> Picture:
        """Return one example image of those for a group, enlarged."""
        return _picture(self._get(f"{self._path}/examples/{class_index}/{number}", _of_group(group)))

    def guideline_picture(self, number: int) -> Picture:
        """Return the n-th picture of the guidelines."""
        return _picture(self._get(f"{self._path}/guideline-pictures/{number}"))

    def own_progress(self) -> OwnProgress:
        """Return how the annotator is getting on, where the project shows it."""
        return self._in_round(wire.OWN_PROGRESS, "own-progress")

    def grid(self, class_index: int | None, start: int, count: int, which: TaskFilter = TaskFilter.ALL) -> GridPage:
        """Return those of this annotator's tasks that pass the filter and for which the class is proposed."""
        of_class = {} if class_index is None else {"class_index": class_index}
        return self._in_round(wire.GRID, "grid", **of_class, start=start, count=count, which=TaskFilter(which).value)

    def save(self, events: Sequence[Event]) -> list[SaveResult]:
        """Append events to the log, each exactly once; a large number is split into several requests."""
        try:
            return self._save(events)
        except _NotTakenError:
            # One event that cannot even be sent (half a character, an endless comment) must not hold up the others.
            refused = self._misfits(events)
            if not refused:
                raise
        taken = iter(self._save([event for i, event in enumerate(events) if i not in refused]))
        return [refused[i] if i in refused else next(taken) for i in range(len(events))]

    def _save(self, events: Sequence[Event]) -> list[SaveResult]:
        results: list[SaveResult] = []
        for body in _bodies(events):
            response = self._send(
                "POST", f"{self._path}/events", content=body, headers={"Content-Type": "application/json"}
            )
            results += _parse(wire.SAVE_OUT, response.content).results
        if len(results) != len(events):
            raise ServiceError(f"the service answered {len(results)} of {len(events)} events; save them again")
        return results

    def _misfits(self, events: Sequence[Event]) -> dict[int, SaveResult]:
        """Return the results for events that no store accepts, by position, in the store's own words."""
        n_classes = len(self.label_space())
        refused = {}
        for i, event in enumerate(events):
            try:
                event.check(n_classes)
            except (StoreError, KeyError, TypeError) as error:
                refused[i] = SaveResult(event.event_id, None, str(error))
        return refused

    def changes(self, since_seq: int) -> Changes:
        """Return what happened after `since_seq`."""
        return self._in_round(wire.CHANGES, "changes", since_seq=since_seq)

    def progress(self) -> Progress:
        """Return how far the annotator is."""
        return self.open().progress

    @property
    def _path(self) -> str:
        return f"/api/rounds/{self._round.value}"

    def _in_round(self, shape: TypeAdapter[_T], name: str, **params: Any) -> _T:
        return self._read(shape, f"{self._path}/{name}", params)

    def _fetch_sprite(self, class_index: int, group: str) -> Sprite:
        response = self._get(f"{self._path}/sprites/{class_index}", _of_group(group))
        facts = {name: _number(response, header) for name, header in wire.SPRITE_HEADERS.items()}
        return Sprite(response.content, _media_type(response), **facts)


def _of_group(group: str) -> dict[str, str]:
    return {"group": group} if group else {}


def _bodies(events: Sequence[Event]) -> list[bytes]:
    """Return request bodies, each small enough for the service."""
    bodies: list[bytes] = []
    waiting = [list(events[i : i + _MAX_EVENTS_AT_ONCE]) for i in range(0, len(events), _MAX_EVENTS_AT_ONCE)]
    while waiting:
        part = waiting.pop(0)
        body = wire.save_body(part)
        if len(body) > _MAX_BODY_BYTES and len(part) > 1:
            waiting[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
        else:
            bodies.append(body)
    return bodies


def _parse(shape: TypeAdapter[_T], content: bytes) -> _T:
    try:
        return shape.validate_json(content)
    except ValidationError as error:
        raise ServiceError(UNREADABLE_ANSWER) from error


def _error(response: httpx.Response) -> MlfError:
    try:
        body = wire.ERROR.validate_json(response.content)
    except ValidationError:
        return ServiceError(f"the annotation service answered {response.status_code}; try again in a moment")
    return _ERRORS.get(body.code, ServiceError)(body.message)


def _picture(response: httpx.Response) -> Picture:
    width_px, height_px = _number(response, wire.WIDTH_HEADER), _number(response, wire.HEIGHT_HEADER)
    return Picture(response.content, _media_type(response), width_px, height_px)


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0]


def _number(response: httpx.Response, header: str) -> int:
    try:
        return int(response.headers[header])
    except (KeyError, ValueError) as error:
        raise ServiceError(f"the service's answer has no {header}; is {response.url.host} the service?") from error
