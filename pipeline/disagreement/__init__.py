"""Where annotators differ: by image, class, pair of classes, pair of annotators, and from the model: pure."""

from pipeline.disagreement.analysis import DisagreementAnalysis, DisagreementSummary, analyze_disagreement

__all__ = ["DisagreementAnalysis", "DisagreementSummary", "analyze_disagreement"]
