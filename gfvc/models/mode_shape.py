"""Where the modes of the head's motion (`modes`) lie, for those who need it without a network's library."""

from __future__ import annotations

# Nodes a side of the square on which they are given; nothing moves at its border, nor outside.
NODES = 13
# Between nodes, in sizes of the face, and how far below the middle of the face the square has its centre: hair is in
# it, and the neck.
SPACING = 0.3
BELOW = 0.3
