"""EXR sequence to G-buffer arrays, shard by shard. Pure: files in, arrays and records out; no stores."""
