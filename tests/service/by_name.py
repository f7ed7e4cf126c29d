"""A hub that believes whatever a token says: who calls is whom they name."""

from __future__ import annotations

from pipeline.service.identity import Caller

HEADERS = {"Authorization": "token ann", "Content-Type": "application/json"}
EVENTS = "/services/mlf/api/rounds/annotation/events"


class ByName:
    """Takes a token as its owner's name."""

    async def caller(self, token: str) -> Caller | None:
        return Caller(token, frozenset({"annotators", "refiners"}))
