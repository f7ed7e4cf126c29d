"""Where annotators differ: by image, by class, by pair of classes, by pair of annotators, and from the model."""

from pipeline.disagreement.analysis import DisagreementAnalysis, DisagreementSummary, analyze_disagreement

__all__ = ["DisagreementAnalysis", "DisagreementSummary", "analyze_disagreement"]
