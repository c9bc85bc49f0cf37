"""Fuzzing of the parsers with atheris; no test needs it."""
