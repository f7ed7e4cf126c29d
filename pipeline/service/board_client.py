"""The progress board in a hub: through the Hub's service, which gives it to researchers alone."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter

from pipeline.service.client import ServiceClient
from pipeline.sessions.board import Board
from pipeline.votes.words import Round

#: A board as it travels.
BOARD: Final = TypeAdapter(Board)


class RemoteBoard(ServiceClient):
    """The board of the hub's project; parameters and errors as its base has them, tries included."""

    def read(self, round_: Round | str = Round.ANNOTATION) -> Board:
        """Return the board of a round as it stands.

        Raises
        ------
        ServiceError
            If the service is away, or the session is not a researcher's.
        """
        return self._read(BOARD, f"/api/rounds/{Round(round_).value}/board")
