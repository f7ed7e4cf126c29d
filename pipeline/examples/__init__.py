"""Example images of each class, shown beside a proposal: chosen, packed into one project file, and read from it."""
