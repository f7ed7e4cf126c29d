"""The ends of the chains in a file that is kept elsewhere: it shows whether a whole log was rewritten."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.project.writing import write_text
from pipeline.store.chain import Head


def write_heads(path: Path, heads: dict[tuple[str, str], Head]) -> None:
    """Write the end of the chain of each (round, annotator); raise `OSError` if the file cannot be written."""
    rows = [{"round": r, "annotator": a, "n_events": h.n_events, "digest": h.digest} for (r, a), h in heads.items()]
    write_text(path, json.dumps(rows, indent=1) + "\n")


def read_heads(path: Path) -> dict[tuple[str, str], Head]:
    """Read what :func:`write_heads` wrote; raise `StoreError` if the file is missing or not of this kind."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        heads = {(row["round"], row["annotator"]): Head(int(row["n_events"]), str(row["digest"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no file that `mlf store verify --keep` wrote ({error}); name one") from error
    if not heads:
        raise StoreError(f"{path} holds no chain; name a file that `mlf store verify --keep` wrote")
    return heads
