"""The errors this project raises on purpose.

Each message names the thing (file, row, class, image), the value seen and what to do next. The command line prints the
message alone and exits with 2; anything that is not an :class:`MlfError` is a defect and keeps its traceback.
"""

from __future__ import annotations


class MlfError(Exception):
    """Root of every error raised on purpose."""


class ProjectError(MlfError, ValueError):
    """The project folder or its settings are missing, incomplete or contradictory."""


class DatasetError(MlfError, ValueError):
    """Images, manifests, label spaces, predictions or votes that cannot be read as they are."""


class StoreError(MlfError, RuntimeError):
    """The annotation store refused or could not complete an operation."""


class ServiceError(MlfError, ConnectionError):
    """The annotation service is away or refused a request."""
