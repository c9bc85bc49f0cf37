"""Measurements: rates, quality against repeated key pictures, speed.

Run from a checkout as `python -m eval.NAME`.
"""
