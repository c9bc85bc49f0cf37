"""Supplemental enhancement information: messages in NAL units, and generative face video in them (SPEC.md Annex C).

Integers only, but for `describe`.
"""
