"""The rate-distortion harness: coding, measuring, curves and the report of `python -m eval rd`."""
