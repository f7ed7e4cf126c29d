"""The log: one JSON object per line, in which nothing sent by a caller can start a new line or control a terminal."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("mlf.service")
_MAX_TEXT = 500


class JsonFormatter(logging.Formatter):
    r"""Writes ASCII JSON: control characters, line separators and right-to-left marks become ``\uXXXX``.

    `is_one_of_several` adds the process that writes.
    """

    def __init__(self, *, is_one_of_several: bool = False) -> None:
        super().__init__()
        self._is_one_of_several = is_one_of_several

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if self._is_one_of_several:
            content["process"] = record.process
        content |= getattr(record, "facts", {})
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: _short(value) for name, value in content.items()}, ensure_ascii=True, default=str)


def log_to_stderr(*, is_one_of_several: bool = False) -> None:
    """Send the service's log, and the web server's own, to standard error; of several processes, each names itself."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(is_one_of_several=is_one_of_several))
    for name in ("mlf.service", "uvicorn", "tornado", "jupyterhub"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO if name in {"mlf.service", "uvicorn"} else logging.WARNING)


def log(event: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log one event with its facts."""
    LOGGER.log(level, event, extra={"facts": facts})


def _short(value: object) -> object:
    # DEL is the one control character that `json` lets through here; terminals may act on it.
    if isinstance(value, str):
        value = value.replace("\x7f", "\\x7f").replace("<", "\\x3c").replace(">", "\\x3e")
        return value if len(value) <= _MAX_TEXT or "\n" in value else value[:_MAX_TEXT] + "…"
    return value
