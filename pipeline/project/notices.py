"""What a person should know although nothing failed, such as how a file was read that can be read in two ways.

A notice goes through Python's logging, as one line that begins with `Note:`. A command prints it with its other output.
Elsewhere it goes to standard error: a notebook keeps it below its cell, and the command that runs the notebook shows
it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("mlf.notices")


def tell(message: str) -> None:
    """Tell the person one thing, in one line."""
    LOGGER.warning("%s", message)


@contextmanager
def notices_to(receive: Callable[[str], object]) -> Iterator[None]:
    """Pass every notice told within the block to `receive`, once, and nowhere else."""
    handler = _Receiver(receive)
    before, LOGGER.handlers = LOGGER.handlers, [handler]
    try:
        yield
    finally:
        LOGGER.handlers = before


class _Receiver(logging.Handler):
    def __init__(self, receive: Callable[[str], object]) -> None:
        super().__init__()
        self._receive = receive
        self._told = set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._told:
            self._told.add(message)
            self._receive(message)


class _OnStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"Note: {record.getMessage()}\n")


LOGGER.propagate = False
LOGGER.handlers = [_OnStandardError()]
