"""The occlusion benchmark: methods side by side on sequences of known truth."""
