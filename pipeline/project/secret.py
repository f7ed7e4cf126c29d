"""A project's secret: draws that repeat for everyone who has the project, and that nobody else can foresee.

Without a secret, anyone could work out from known names and numbers which letter stands for which annotator, who shares
images with whom, which images are gold and which are audited. So each is drawn from this secret and a purpose of its
own (HMAC-SHA256, RFC 2104). It is kept beside the settings, not in them: settings are shown and passed around.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ProjectError

SECRET_FILE = "secret"  # noqa: S105 - its name
_N_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class ProjectSecret:
    """A key; what is drawn from it for one purpose reveals nothing about what is drawn for another.

    Parameters
    ----------
    key
        32 random bytes.
    """

    key: bytes

    def digest(self, purpose: str, *values: Hashable) -> bytes:
        """Return 32 bytes that follow from the purpose and the values, and cannot be computed without the key."""
        # Each value comes with its length: ("a", "bc") must not give the same bytes as ("ab", "c").
        words = [str(value).encode("utf-8", "surrogatepass") for value in (purpose, *values)]
        return hmac.digest(self.key, b"".join(b"%d:%s" % (len(word), word) for word in words), hashlib.sha256)

    def share(self, purpose: str, *values: Hashable) -> float:
        """Return a number in [0, 1), uniform over values: what is less than a share is drawn with that chance."""
        return int.from_bytes(self.digest(purpose, *values)[:6], "big") / 2**48

    def seed(self, purpose: str, seed: int) -> int:
        """Return the seed of a random generator: a 128-bit number that replaces `seed` in this project only."""
        return int.from_bytes(self.digest(purpose, seed)[:16], "big")


def make_secret(root: Path, key: bytes | None = None) -> ProjectSecret:
    """Make a project's secret, readable only by its owner; an existing one is kept unless a key is given.

    Parameters
    ----------
    root
        The project's folder.
    key
        32 bytes; random where left out. Give a key only for demonstrations: what others know is no secret.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    path = root / SECRET_FILE
    temporary = root / f".{SECRET_FILE}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write((key or secrets.token_bytes(_N_BYTES)).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        if key is not None:
            temporary.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(temporary, path)  # whole or not at all, and never in place of an existing secret
            temporary.unlink()
    except OSError as error:
        raise ProjectError(
            f"{root} has no file `{SECRET_FILE}`, and none can be made: {error}. Run any command that writes to the "
            "project, such as `mlf assign`, where its folder can be written to"
        ) from error
    return _read(path)


def read_secret(root: Path) -> ProjectSecret:
    """Return the secret of the project in a folder; a project from an older version has none, and gets one now.

    Raise `ProjectError` if the file is damaged, or is missing and cannot be made.
    """
    path = root / SECRET_FILE
    return _read(path) if path.exists() else make_secret(root)


def _read(path: Path) -> ProjectSecret:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ProjectError(
            f"{path}: cannot be read as a project's secret: {error}; restore it from a backup"
        ) from error
    if len(key) != _N_BYTES:
        raise ProjectError(f"{path}: has {len(key)} bytes, a project's secret {_N_BYTES}; restore it from a backup")
    return ProjectSecret(key)
