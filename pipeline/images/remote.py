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
#: A name and a password before the host, also behind another scheme (`simplecache::s3://…`). Keys of stores may have
#: slashes in them; the web has no names without a password that are not keys (`https://TOKEN@host`).
_IN_FRONT = re.compile(
    rf"(?:^|::)(?:({'|'.join(EXTRA_OF_SCHEME)})://(?!arn:)[^/@]*:.*@|(https?)://[^/?#]*@|([a-z0-9+.-]+)://[^/@]*:[^/]*@)",
    re.DOTALL | re.IGNORECASE,
)
#: What signs an address, or stands for a password, in its query.
_IN_QUERY = re.compile(
    r"[?&;](sig|signature|(?:x-(?:amz|goog)-)(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid|"
    r"[a-z_-]*token|[a-z_-]*secret|password|passwd|pwd|api[_-]?key|auth|authorization)=",
    re.IGNORECASE,
)


def is_url(location: str) -> bool:
    """Tell whether a location is an fsspec URL (`s3://…`, `https://…`) rather than a local path."""
    return "://" in location


def refuse_secret(location: str) -> None:
    """Refuse an address that has a key in it: addresses are written into settings and messages."""
    if not is_url(location):
        return
    front, query = _IN_FRONT.search(location), _IN_QUERY.search(location)
    if front or query:
        where = f" ({query[1]}=)" if query and not front else ""
        scheme = next(filter(None, front.groups())) if front else location.partition("://")[0]
        raise DatasetError(
            f"{scheme}://…: the address has a key in it{where}; leave that out: keys come from the environment or from "
            "the files that the store's own programs read (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "~/.aws; for others, fsspec's variables, such as FSSPEC_SFTP_PASSWORD)"
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
        For whatever else the store or its package refuses, if that package is missing, or if the URL has a key in it.
    """
    import fsspec

    refuse_secret(location)
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
