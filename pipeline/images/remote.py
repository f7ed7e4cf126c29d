"""Files behind URLs that `fsspec` understands: `s3://…`, `gs://…`, `https://…`. What goes wrong is told in a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import DatasetError, MlfError, in_plain_words

#: The extra that brings the package for a kind of URL.
EXTRA_OF_SCHEME = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs",
    "az": "azure", "abfs": "azure", "abfss": "azure", "adl": "azure",
}  # fmt: skip
#: How variables of the environment begin that tell the packages of stores their keys and addresses.
_VARIABLES = ("AWS_", "AZURE_", "FSSPEC_", "GCSFS_", "GOOGLE_")
_WITH_SECRET = re.compile(rf"({'|'.join(EXTRA_OF_SCHEME)})://(?!arn:)[^/@]*:.*@", re.DOTALL)


def is_url(location: str) -> bool:
    """Tell whether a location is an fsspec URL (`s3://…`, `https://…`) rather than a local path."""
    return "://" in location


def refuse_secret(location: str) -> None:
    """Refuse an address of a store that has a key in it: addresses are written into settings and messages."""
    if found := _WITH_SECRET.match(location):
        raise DatasetError(
            f"{found[1]}://…: the address has a key in it; leave that out: keys come from the environment or from the "
            "files that the store's own programs read (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws)"
        )


def store_environment() -> dict[str, str]:
    """Return the variables of this process's environment that whoever reads images from a store needs, too."""
    return {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}


@contextmanager
def opened_url(location: str, cannot: str = "cannot be read") -> Iterator[tuple[Any, str]]:
    """Yield the file system behind a URL, and the path there.

    File systems are kept by `fsspec`, one a process: after a fork it makes new ones, whose connections are their own.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DatasetError
        For whatever else the store or its package refuses, or if that package is missing.
    """
    import fsspec

    try:
        yield fsspec.core.url_to_fs(location)
    except (FileNotFoundError, MlfError):
        raise
    except ImportError as error:
        extra = EXTRA_OF_SCHEME.get(location.partition("://")[0].lower())
        how = f"`pip install 'multilabelfy[{extra}]'` brings what it takes" if extra else str(error)
        raise DatasetError(f"{location}: {cannot}: {how}") from error
    except OSError as error:
        raise DatasetError(f"{location}: {cannot}: {in_plain_words(error)}") from error
    except Exception as error:  # every store's package has errors of its own
        raise DatasetError(f"{location}: {cannot}: {' '.join(str(error).split()) or type(error).__name__}") from error
