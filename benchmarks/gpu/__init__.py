"""Benchmarks on a GPU; ../README.md says how to run them."""
