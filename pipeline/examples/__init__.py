"""Example images of each class, shown beside a proposal: chosen, packed into one file of the project, read from it."""
