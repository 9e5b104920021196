"""Versioned Zarr stores: schema, identity, shard writer, publish, reader. Knows nothing of EXR, guides or models."""
