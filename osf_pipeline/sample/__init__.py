"""A sample shot made by formula: an articulated figure, its hand-made drawing, and the exact styled truth."""
