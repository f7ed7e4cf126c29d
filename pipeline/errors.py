"""The errors this project raises on purpose.

Each message names the thing (file, row, class, image), the value seen and what to do next. The command line prints the
message alone and exits with 2. What the machine refuses (:func:`in_plain_words`) is told in the same way; anything else
is a defect and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Self


class MlfError(Exception):
    """Root of every error raised on purpose.

    Attributes
    ----------
    figures
        What had been found, where a check ends with an error: `--json` prints it beside the error.
    """

    figures: object = None

    def with_figures(self, figures: object) -> Self:
        """Return the same error, with what had been found."""
        self.figures = figures
        return self


class ProjectError(MlfError, ValueError):
    """The project folder or its settings are missing, incomplete or contradictory."""


class DatasetError(MlfError, ValueError):
    """Images, manifests, label spaces, predictions or votes that cannot be read as they are."""


class StoreError(MlfError, RuntimeError):
    """The annotation store refused or could not complete an operation."""


class ServiceError(MlfError, ConnectionError):
    """The annotation service is away or refused a request."""


_MAKE_ROOM = "make room there, and give the same command again"
_ASK = "ask its owner for the right to read or write it, or choose another place"
#: What the machine refuses, and the next step.
_REFUSALS = {
    errno.EACCES: (
        "no permission",
        _ASK,
    ),
    errno.EPERM: (
        "no permission",
        _ASK,
    ),
    errno.EROFS: ("the disk is read-only", "choose another place, or mount it so that it can be written to"),
    errno.ENOSPC: ("the disk is full", _MAKE_ROOM),
    errno.EDQUOT: ("your quota of the disk is used up", _MAKE_ROOM),
    errno.EFBIG: ("the file grows larger than the disk takes", "choose another disk"),
    errno.ENOENT: ("no such file or folder", "check how it is spelled, and whether its disk is there"),
    errno.EEXIST: ("it exists already", "choose another name, or move it away"),
    errno.ENOTDIR: ("a file lies where a folder is needed", "choose another place, or move the file away"),
    errno.EISDIR: ("it is a folder, and a file is needed", "name the file itself"),
    errno.ENOTEMPTY: ("the folder is not empty", "choose another one, or move away what it holds"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "choose a shorter one"),
    errno.ELOOP: ("links that lead to each other", "put the file or folder itself in place of the link"),
    errno.EMFILE: ("too many files are open", "allow more with `ulimit -n 4096`, and give the same command again"),
    errno.ENFILE: ("too many files are open on this machine", "end other programs, and give the same command again"),
    errno.ENOMEM: ("the memory is used up", "end other programs, or take smaller batches"),
    errno.EIO: ("the disk does not answer as it should", "look after the disk, and give the same command again"),
    errno.ESTALE: ("the network folder has changed underneath", "give the same command again"),
    errno.ETIMEDOUT: ("no answer in time", "look after the network, and give the same command again"),
    errno.EBUSY: ("something else holds it", "end that, and give the same command again"),
    errno.ETXTBSY: ("something else holds it", "end that, and give the same command again"),
}
_NUMBER = re.compile(r"\[?[Ee]rrno (\d+)\]?")
_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")


def in_plain_words(error: OSError | UnicodeError | str, place: str | os.PathLike[str] | None = None) -> str:
    """Return in one line what the machine refused: the path, the reason and the next step.

    Parameters
    ----------
    error
        What was raised, or what its text is where it was raised in another process.
    place
        Named where the error itself names no path.
    """
    text = " ".join(str(error).split())
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!a}: a name that is not in UTF-8; rename it"
    # Where the system gave a number, these words are part of a name.
    if isinstance(error, UnicodeError) or ("codec can't" in text and not getattr(error, "errno", None)):
        return f"{_shown(place)}a text that is not in UTF-8 ({text}); save it as UTF-8, or rename what is not"
    numbers = _NUMBER.findall(text)
    number = getattr(error, "errno", None) or (int(numbers[-1]) if numbers else 0)
    named = getattr(error, "filename", None) or next((one or other for one, other in _QUOTED.findall(text)), None)
    told = getattr(error, "strerror", None) or _NUMBER.sub("", text).strip() or "the machine refused it"
    reason, step = _REFUSALS.get(number, (told, "see to it, and give the same command again"))
    return f"{_shown(named if named is not None else place)}{reason}; {step}"


def _shown(place: object) -> str:
    if place is None or isinstance(place, int):
        return ""
    # A name in another encoding than UTF-8, or with a line break, is written out: no terminal takes it as it is.
    name = os.fsdecode(place)  # type: ignore[arg-type]
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in name) + ": "
