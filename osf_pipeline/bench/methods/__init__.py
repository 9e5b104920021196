"""The methods that the benchmark compares ours with, each written from what is published of it."""
