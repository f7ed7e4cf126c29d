"""XML of other tools, element by element: a document that defines entities of its own is refused, not expanded."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from pipeline.errors import DatasetError


def elements(path: Path, tags: Collection[str]) -> Iterator[Any]:
    """Yield every element with one of these tags, with what it holds, and let go of it afterwards.

    Raises
    ------
    DatasetError
        If the file is missing or no XML; the message names the line.
    """
    try:
        with path.open("rb") as binary:
            for _, element in iterparse(binary, events=("end",)):
                if element.tag in tags:
                    yield element
                    element.clear()
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist; give a file") from error
    except (ParseError, DefusedXmlException, ValueError, OSError) as error:  # ValueError: an encoding that is not read
        raise DatasetError(f"{path} cannot be read as XML: {' '.join(str(error).split())}") from error
