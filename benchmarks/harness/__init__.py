"""Runs the benchmark cases of benchmarks/cases: see run.py."""
