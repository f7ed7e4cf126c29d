"""What open pages of light sessions ask by POST: saving above all, and what is new.

These are plain routes that are looked at first: hundreds of pages ask several times a second together, and finding a
route among all and resolving what it depends on would cost more than the answer.
"""

import gzip
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.routing import Match, Route
from starlette.types import Scope

from pipeline.annotation.as_json import event_as_json
from pipeline.annotation.session import MAX_IMAGES_AT_ONCE, SaveResult
from pipeline.errors import MlfError
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.service.admission import Refusal, Service
from pipeline.service.identity import Caller
from pipeline.service.logins import BrowserLogins
from pipeline.service.pictures import MAX_SMALL_SIDE_PX, in_turn
from pipeline.service.rounds import MAX_POSITIONS, ROLE_OF, count_events, read_json_body, save_events
from pipeline.service.serving import ServedSession
from pipeline.service.wire import EVENT_IN, MAX_INT32, MAX_INT64, EventIn, pack_answer
from pipeline.sessions.answers import SessionAnswers
from pipeline.sessions.messages import MessageError, parse_event, save_result_message
from pipeline.votes.words import Round

_KEY_HEADER = "x-mlf-key"
_PACKED = "application/vnd.mlf.answer"
#: The purpose of the secret that a page shows with each request.
ASKING = "requests of a page"
_MAX_SPRITES = 100
#: Answers that are shorter are sent as they are.
_WORTH_ZIPPING = 1_000
#: What pages ask for by POST; saving, the classes and images have routes of their own.
_ASKED = frozenset(
    {
        "open",
        "tasks",
        "find",
        "sprite",
        "first_examples",
        "example",
        "images",
        "grid",
        "changes",
        "guidelines",
        "guideline_picture",
        "own_progress",
    }
)
_MOST_OF = {"positions": MAX_POSITIONS, "class_indices": _MAX_SPRITES, "known": 500}
_HIGHEST = {"since_seq": MAX_INT64, "max_side_px": MAX_SMALL_SIDE_PX, "count": 100_000}
#: Labels whose examples one request may ask for before it is known which they are; pages ask for five.
_MAX_FIRST_EXAMPLES = 20


class PageRequests:
    """Answers what pages ask.

    Parameters
    ----------
    service
        The service.
    logins
        Who has logged in.
    """

    def __init__(self, service: Service, logins: BrowserLogins) -> None:
        self._service, self._logins = service, logins

    def routes(self, at: str) -> list[Route]:
        """Return the routes below a path; they come before all others."""
        return [_Post(f"{at}/{{round}}/save", self.save), _Post(f"{at}/{{round}}/{{kind}}", self.ask)]

    async def asking(self, round_: Round, request: Request) -> Caller:
        """Return who asks from an open page."""
        caller = await self._logins.known(request, ROLE_OF[round_])
        check_is_light(self._service)
        if caller is None:
            raise Refusal(401, "Unauthorized", "your log-in has ended; open the page again", "no log-in")
        if "authorization" not in request.headers:
            if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                raise Refusal(403, "CrossSite", "another site's page sent this; it is not accepted")
            shown = request.headers.get(_KEY_HEADER, "").encode()
            if not shown and request.method == "POST":
                raise Refusal(403, "CrossSite", "no page of yours sent this; open the page again", "no key")
            if shown and not secrets.compare_digest(shown, self._logins.key_for(ASKING, request).encode()):
                # Another tab has logged in anew; a page that hears this is opened again.
                raise Refusal(401, "Unauthorized", "you have logged in anew; open the page again", "wrong key")
        return caller

    def answers_of(self, caller: Caller, round_: Round) -> SessionAnswers:
        """Return what answers a person's requests in a round."""
        service = self._service
        session = ServedSession(service.tables, service.store, caller.name, round_)
        return SessionAnswers(session, service.tables.image_numbers)

    async def save(self, request: Request) -> Response:
        """Save events; the answer comes once they are on the disk."""
        service, round_ = self._service, _round_of(request)
        caller = await self.asking(round_, request)
        async with service.turn_of(caller.name, "save"):
            sent = _params(await read_json_body(request, service, caller)).get("events")
            if not isinstance(sent, list):
                raise Refusal(422, "Invalid", "`events` must be a list")
            count_events(service, caller, len(sent))
            read = [_read_event(content, service.tables.image_numbers) for content in sent]
            saved = iter(await save_events(service, caller, round_, [one for one in read if isinstance(one, EventIn)]))
        results = [one if isinstance(one, SaveResult) else next(saved) for one in read]
        body = pack_answer([save_result_message(result) for result in results], [])
        return zipped(request, body, _PACKED, {})

    async def ask(self, request: Request) -> Response:
        """Answer a request of the page's browser half."""
        service, round_ = self._service, _round_of(request)
        kind = request.path_params["kind"]
        caller = await self.asking(round_, request)
        if kind not in _ASKED:
            raise Refusal(404, "NotFound", f"no request is called {kind[:50]!r}")
        async with service.turn_of(caller.name):
            params = _checked(_params(await read_json_body(request, service, caller)), kind)
            cost = _cost(service, kind, params)
            service.charge(caller, cost)
            handler = self.answers_of(caller, round_).handlers[kind]

            def answer() -> tuple[int, Response]:
                # All in one go on one thread, within the person's turn: what is large keeps nobody else waiting.
                result, buffers = handler(params)
                if kind == "images" and isinstance(result, list):
                    for head in result:
                        head["reason"] = service.without_places(head["reason"])
                body = pack_answer(result, buffers)
                is_plain = bool(buffers)
                return len(body), Response(body, media_type=_PACKED) if is_plain else zipped(request, body, _PACKED, {})

            try:
                n_bytes, response = await in_turn(answer)
            except MessageError as error:
                raise Refusal(422, "Invalid", str(error)) from error
            service.charge_bytes(caller, n_bytes, cost)
            return response


class _Post(Route):
    """A route for POST that says which one it is, as the others do: requests are counted by route."""

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__(path, endpoint, methods=["POST"], include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self} if match is Match.FULL else child_scope


def _round_of(request: Request) -> Round:
    named = request.path_params["round"]
    try:
        return Round(named)
    except ValueError:
        known = ", ".join(Round)
        raise Refusal(422, "Invalid", f"path.round: {named[:50]!r}; the rounds are {known}") from None


def check_is_light(service: Service) -> None:
    """Raise `Refusal` unless people work on pages of the service in this project."""
    if service.project.settings.hub.sessions != "light":
        raise Refusal(404, "NotFound", "in this project everyone has a server of their own; the Hub leads there")


def _params(body: bytes) -> dict[str, Any]:
    try:
        params = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, "Invalid", "a request must be a JSON object") from error
    if not isinstance(params, dict):
        raise Refusal(422, "Invalid", "a request must be a JSON object")
    return params


def _checked(params: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the parameters of a request, if all numbers in them are such as the database and the tables can take."""
    for name, value in params.items():
        if name in _MOST_OF and not isinstance(value, list):
            raise Refusal(422, "Invalid", f"{name}: it must be a list")
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) > _MOST_OF.get(name, 0) and isinstance(value, list):
            raise Refusal(413, "TooLarge", f"{name}: {len(numbers)} at once; at most {_MOST_OF.get(name, 0)} are taken")
        low = -MAX_INT32 if kind == "find" else 1 if name == "max_side_px" else 0
        high = _HIGHEST.get(name, MAX_INT32)
        if (kind, name) == ("first_examples", "count"):
            high = _MAX_FIRST_EXAMPLES
        for number in numbers:
            if isinstance(number, int) and not low <= number <= high:
                raise Refusal(422, "Invalid", f"{name}: {str(number)[:30]}; it must lie between {low} and {high}")
    if len(str(params.get("group", ""))) > 1:
        raise Refusal(422, "Invalid", "group: it is one character")
    if kind == "images" and len(params.get("positions") or ()) > MAX_IMAGES_AT_ONCE:
        raise Refusal(413, "TooLarge", f"at most {MAX_IMAGES_AT_ONCE} images are given at once")
    return params


def _cost(service: Service, kind: str, params: Mapping[str, Any]) -> float:
    """Return how many requests this one counts as."""
    limits = service.limits
    n_positions, count = len(params.get("positions") or ()), params.get("count")
    costs = {
        "open": float(limits.opening_requests),
        "tasks": n_positions / limits.tasks_a_request,
        "images": n_positions / limits.pictures_a_request,
        "sprite": float(len(params.get("class_indices") or ())),
        "first_examples": min(1.0 + (count if isinstance(count, int) else 0), limits.burst / 2),
        "own_progress": limits.burst / 4,
        "grid": min((count if isinstance(count, int) else 0) / 1_000, limits.burst / 2),
    }
    return costs.get(kind, 1.0)


def _read_event(content: object, numbers: ImageNumbers) -> EventIn | SaveResult:
    """Return an event, or the refusal of one that cannot be read: it must not keep the others from the log."""
    try:
        # As JSON once more: half a character passes Python's own parser, and no database takes it.
        return EVENT_IN.validate_json(json.dumps(event_as_json(parse_event(content, numbers))))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'event'}: {first['msg']}"
    except (MlfError, ValueError, RecursionError) as error:
        reason = str(error)
    event_id = content.get("event_id", "") if isinstance(content, dict) else ""
    # An answer cannot hold half a character, either.
    return SaveResult(
        event_id.encode(errors="replace").decode() if isinstance(event_id, str) else "", None, reason[:500]
    )


def zipped(request: Request, body: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """Return an answer, compressed if that is worth it and the caller can read it."""
    if len(body) < _WORTH_ZIPPING or "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(body, headers=headers, media_type=media_type)
    headers = headers | {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(gzip.compress(body, 5), headers=headers, media_type=media_type)
