"""Shape of the motion field of the key points (`field`), for those who need it without a network's library."""

from __future__ import annotations

from .points import EYES, MOUTH, POINTS

# Chosen on held-out pictures by the error of the person moved so and of the background at rest: 22.6 dB, where splines
# of least bending give 22.1, and Gaussian or smoother covariances 21.9 to 22.5. What is said of the body costs nothing.
REACH = 0.4
SLOPE = 0.1
# Of each point: mouth and eyes are taken at their word.
POINT_NOISE = tuple(0.005 if point in (*MOUTH, *EYES) else 0.05 for point in POINTS)
# Where the body's motion takes over from the head's, below the chin, in heights of the face.
NECK = 0.1, 0.6
# Shoulders that are nearer than this to where they were in the key picture, three samples of 256, have not moved; at
# twice this they have.
STILL = 0.024
