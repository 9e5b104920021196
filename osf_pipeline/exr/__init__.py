"""EXR read and write, header checks, sequences, source adapters. No Zarr, no stage logic."""
