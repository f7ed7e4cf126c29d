"""A real hub with curious people in it. It is a package, so that this hub ends with its last test."""
