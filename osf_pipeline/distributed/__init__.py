"""Shard work on a Ray cluster, local or remote: the only Ray code."""
