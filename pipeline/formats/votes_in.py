"""The formats in which votes come, one registry.

To read another format, write a module for it, and its entry in :data:`FORMATS`; commands and their help follow.
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
    """One format of files that hold votes.

    Attributes
    ----------
    suffixes
        Endings of such files, in small letters.
    looks
        What such a file looks like, as `--help` says it.
    read
        Reads such a file; raises `DatasetError` for one that is missing or cannot be read, naming file and row.
    fits
        Whether a file with such an ending is of this format, where several formats share one.
    """

    suffixes: tuple[str, ...]
    looks: str
    read: Callable[[Path], VoteArrays]
    fits: Callable[[Path], bool] = lambda _: True


# Readers are imported when a file is read: the command line asks here for its help, and starts without pandas.
def _read_table(path: Path) -> VoteArrays:
    from pipeline.formats.votes_csv import read_votes_table

    return read_votes_table(path)


def _read_raters(path: Path) -> VoteArrays:
    from pipeline.formats.real_votes import read_raters

    return read_raters(path)


#: Every format that is read; of several with one ending, the first that fits.
FORMATS: Final[tuple[VotesFormat, ...]] = (
    VotesFormat((".csv", ".parquet"), ".csv or .parquet with image, class, annotator, vote", _read_table),
    VotesFormat((".npz",), "ReaL's raters.npz", _read_raters),
)
#: What files of votes look like, in words.
LOOKS: Final = "; or ".join(each.looks for each in FORMATS)


def read_votes(path: Path) -> VoteArrays:
    """Read votes from a file of any of the formats.

    Raises
    ------
    DatasetError
        If the file is missing, of another kind, unreadable, no file of votes or without a single vote; the message
        names file and row.
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
