"""Ways to score the classes of an image, behind one seam."""
