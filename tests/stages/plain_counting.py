"""Top-1, Top-5, ReaL and Real@5 by counting in plain Python."""

from __future__ import annotations


def plain_figures(rankings: list[list[int]], originals: list[int], refined: list[set[int]]) -> dict[str, float]:
    labelled = [(ranking, labels) for ranking, labels in zip(rankings, refined, strict=True) if labels]
    pairs = list(zip(rankings, originals, strict=True))
    return {
        "top1": sum(ranking[0] == original for ranking, original in pairs) / len(pairs),
        "top5": sum(original in ranking[:5] for ranking, original in pairs) / len(pairs),
        "real": sum(ranking[0] in labels for ranking, labels in labelled) / len(labelled),
        "real_at_5": sum(bool(set(ranking[:5]) & labels) for ranking, labels in labelled) / len(labelled),
    }
