"""Learning a style from its drawing: exemplars, the loop around `model`, checkpoints, exact resume."""
