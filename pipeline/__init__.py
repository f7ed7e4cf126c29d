"""Everything of multilabelfy but the widgets: data sets, proposals, store, votes, metrics, reports, commands."""

__version__ = "0.1.0"
