"""Training runs, the model registry, aliases and gates: the only MLflow code."""
