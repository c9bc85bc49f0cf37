"""Label a folder of clips with face landmarks, the teacher of the explicit key points.

The labels come from MediaPipe's face mesh with irises (478 points), whose model lies in its wheel. Only training reads
them; the codec itself does not need MediaPipe. The package pins an old NumPy, so it wants an environment of its own:

    python3.11 -m venv .venv-landmarks && .venv-landmarks/bin/pip install mediapipe==0.10.21 av
    .venv-landmarks/bin/python -m datasets.landmarks CLIPS LABELS

For every ``CLIPS/name.mp4`` (or a still picture) it writes ``LABELS/name.npy``: float16 ``[T, 478, 2]``, x and y from
-1 to 1 across the picture, and NaN for pictures without a face.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from .clips import whole_file
from .labelling import start

MESH_POINTS = 478


def label_clip(mesh, path: Path) -> np.ndarray:
    """Return the landmarks of each picture of ``path``: float16 [T, 478, 2], -1..1, NaN where no face is found."""
    rows = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            found = mesh.process(frame.to_ndarray(format="rgb24")).multi_face_landmarks
            if found:
                rows.append([(2 * p.x - 1, 2 * p.y - 1) for p in found[0].landmark])
            else:
                rows.append(np.full((MESH_POINTS, 2), np.nan))
    return np.asarray(rows, dtype=np.float16).reshape(-1, MESH_POINTS, 2)


def main() -> int:
    help_of_labels = "folder for the .npy files; labels already there are kept"
    mediapipe, clips = start("landmarks", __doc__, help_of_labels, ".npy")
    for path, target, place in clips:
        with mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=True, refine_landmarks=True, max_num_faces=1
        ) as mesh:
            marks = label_clip(mesh, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as handle:
            np.save(handle, marks)
        lost = int(np.isnan(marks[:, 0, 0]).sum())
        print(f"{place}: {len(marks)} pictures, {lost} without a face", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
