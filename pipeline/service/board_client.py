"""The progress board in a hub: through the Hub's service, which gives it only to researchers."""

from __future__ import annotations

from pipeline.service.client import ServiceClient
from pipeline.sessions.board import BOARD, Board
from pipeline.votes.words import Round


class RemoteBoard(ServiceClient):
    """The board of the hub's project; parameters, errors and retries are those of its base class."""

    def read(self, round_: Round | str = Round.ANNOTATION) -> Board:
        """Return the current board of a round.

        Raise `ServiceError` if the service cannot be reached, or the session is not a researcher's.
        """
        return self._read(BOARD, f"/api/rounds/{Round(round_).value}/board")
