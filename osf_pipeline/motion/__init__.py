"""Motion clips, from files or by formula, and their retarget to a character of any proportions."""
