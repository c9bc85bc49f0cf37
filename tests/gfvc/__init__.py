"""Tests of the `gfvc` package."""
