"""Example images of each class, shown beside a proposal."""
