"""Turn many votes, and other evidence for a label, into one answer for each (image, class). Pure functions only."""

from pipeline.consensus.cut import Cut, choose_cut
from pipeline.consensus.dawid_skene import DawidSkene, fit_dawid_skene
from pipeline.consensus.evidence import Evidence, model_evidence
from pipeline.consensus.known import match_gold, match_original
from pipeline.consensus.majority import majority, weighted_majority
from pipeline.consensus.result import Consensus, reach_consensus
from pipeline.project.aim import Aim, AimKind

__all__ = [
    "Aim",
    "AimKind",
    "Consensus",
    "Cut",
    "DawidSkene",
    "Evidence",
    "choose_cut",
    "fit_dawid_skene",
    "majority",
    "match_gold",
    "match_original",
    "model_evidence",
    "reach_consensus",
    "weighted_majority",
]
