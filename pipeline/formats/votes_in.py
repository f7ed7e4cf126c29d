"""The registry of file formats for votes.

To read another format, write a module for it and add an entry to :data:`FORMATS`. Commands and their help pick it up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import DatasetError

if TYPE_CHECKING:
    from pipeline.votes.arrays import VoteArrays


@dataclass(frozen=True)
class VotesFormat:
    """One file format for votes.

    Attributes
    ----------
    suffixes
        Endings of such files, in lower case.
    looks
        What such a file looks like, as `--help` says it.
    read
        Reads such a file. Raises `DatasetError`, naming the file and the row, if it is missing or cannot be read.
    fits
        Whether a file is of this format, for endings that several formats share.
    """

    suffixes: tuple[str, ...]
    looks: str
    read: Callable[[Path], VoteArrays]
    fits: Callable[[Path], bool] = lambda _: True


# Readers are imported only when a file is read: the command line uses this module for its help, without pandas.
def _read_table(path: Path) -> VoteArrays:
    from pipeline.formats.votes_csv import read_votes_table

    return read_votes_table(path)


def _read_raters(path: Path) -> VoteArrays:
    from pipeline.formats.real_votes import read_raters

    return read_raters(path)


#: Every format that can be read. If several share an ending, the first that fits is used.
FORMATS: Final[tuple[VotesFormat, ...]] = (
    VotesFormat((".csv", ".parquet"), ".csv or .parquet with image, class, annotator, vote", _read_table),
    VotesFormat((".npz",), "ReaL's raters.npz", _read_raters),
)
#: What files of votes look like, in words for people.
LOOKS: Final = "; or ".join(each.looks for each in FORMATS)


def read_votes(path: Path) -> VoteArrays:
    """Read votes from a file of any of the formats.

    Raise `DatasetError` if the file is missing, of another kind, unreadable, not a file of votes or without a single
    vote. The message names the file and, where it can, the row.
    """
    suffix = path.suffix.lower()
    alike = [each for each in FORMATS if suffix in each.suffixes]
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give a file of votes: {LOOKS}")
    if not alike:
        suffixes = " nor ".join(suffix for each in FORMATS for suffix in each.suffixes)
        raise DatasetError(f"{path} is neither {suffixes}; give a file of votes: {LOOKS}")
    found = next((each for each in alike if each.fits(path)), None)
    if found is None:
        raise DatasetError(f"{path} is no file of votes; give {'; or '.join(each.looks for each in alike)}")
    votes = found.read(path)
    if votes.n_votes == 0:
        raise DatasetError(f"{path} holds no votes; give one row for each vote: image, class, annotator, vote")
    return votes
