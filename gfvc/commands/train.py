"""`gfvc train`: train a model on a folder of clips.

Runs from a checkout, which has the `datasets` package.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GfvcError
from ..models.families import FAMILIES
from ..training.losses import LossWeights
from .common import whole_number

if TYPE_CHECKING:
    from ..training.loop import TrainingFiles, TrainingOptions

CHECKOUT = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    _add_schedule(parser)
    _add_stage_options(parser)
    _add_process(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    """What is read and written."""
    parser.add_argument(
        "--clips",
        type=Path,
        nargs="+",
        required=True,
        help="folders of face videos (square crops), searched recursively; stills count as clips of one picture",
    )
    parser.add_argument(
        "--run",
        type=Path,
        required=True,
        dest="run_folder",
        help="folder for checkpoint, logs and samples; a run that was stopped goes on from there",
    )
    parser.add_argument("--labels", type=Path, help="landmarks of the clips, from python -m datasets.landmarks")
    parser.add_argument("--validation", type=Path, help="folder of held-out videos")
    parser.add_argument("--cache", type=Path, help="folder of decoded pictures; the run's own if not given")
    parser.add_argument(
        "--init", type=Path, dest="initial", help="weights to start from, of any family: what fits is taken over"
    )
    parser.add_argument("--init-synthesis", type=Path, help="weights that the synthesis starts from instead")
    parser.add_argument("--teacher", type=Path, help="weights whose points are learnt (--stage points)")
    parser.add_argument(
        "--out", type=Path, help="write the averaged weights here (.safetensors); default RUN/FAMILY.safetensors"
    )


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    """What is trained, on what, how long and how fast."""
    parser.add_argument("--family", choices=sorted(FAMILIES), default="keypoints2d", help="kind of parameters")
    parser.add_argument(
        "--stage",
        choices=("full", "points", "local", "code", "restore", "person", "synthesis", "details", "modes"),
        default="full",
        help="full: all but the refinement of mouth and eyes, which local trains; or one part alone",
    )
    parser.add_argument("--size", type=whole_number(64, 512), default=128, help="picture side")
    parser.add_argument("--steps", type=whole_number(1, 1 << 30), default=20000, help="optimiser steps")
    parser.add_argument("--batch", type=whole_number(1, 4096), default=8, help="pairs of pictures per process and step")
    parser.add_argument("--learning-rate", type=float, default=4e-4, help="its peak")
    parser.add_argument("--warmup", type=whole_number(0, 1 << 20), default=200, help="steps of rising learning rate")
    parser.add_argument("--ema", type=float, default=0.998, help="decay of the average of the weights")
    parser.add_argument("--seed", type=whole_number(0, 1 << 30), default=0, help="of weights, pairs and noise")
    parser.add_argument("--frame-step", type=whole_number(1, 1000), default=2, help="use each n-th picture of a clip")


def _add_stage_options(parser: argparse.ArgumentParser) -> None:
    """Weights of the losses, and options of single stages."""
    for name, meaning in (
        ("texture", "amount of fine detail"),
        ("shares", "what is behind the person is shown where the person is not"),
        ("adversarial", "a critic's judgement"),
        ("features", "the critic's features"),
        (
            "rate",
            "change of a code from picture to picture (--stage code), of looks from the key picture (--stage details)",
        ),
    ):
        default = getattr(LossWeights(), name)
        parser.add_argument(f"--{name}", type=float, default=default, help=f"weight of the loss: {meaning}")
    parser.add_argument(
        "--labelled", type=float, default=0.5, help="share of pairs with points from the labels (--stage synthesis)"
    )
    parser.add_argument(
        "--hold", nargs="+", default=(), metavar="PART", help="parts of the synthesis that stay (--stage synthesis)"
    )
    parser.add_argument("--degrade", action="store_true", help="most key pictures have been through a codec")


def _add_process(parser: argparse.ArgumentParser) -> None:
    """How it is computed and logged."""
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto", help="auto: bf16 where it is fast"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument(
        "--log-every", type=whole_number(1, 1 << 20), default=100, metavar="STEPS", help="between log lines"
    )
    parser.add_argument(
        "--save-every", type=whole_number(1, 1 << 20), default=500, metavar="STEPS", help="between checkpoints"
    )


def _require_datasets() -> None:
    """The wheel has no `datasets`; an installed `gfvc` of a checkout finds it beside the package."""
    if (CHECKOUT / "datasets" / "clips.py").exists() and str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    if importlib.util.find_spec("datasets.clips") is None:
        raise GfvcError(
            "gfvc train needs the `datasets` package of a checkout: clone the repository and run it from there"
        )


def _find_modes(options: TrainingOptions, files: TrainingFiles, device: str, out: Path) -> int:
    """The stage `modes`, which makes no steps."""
    from tqdm import tqdm

    from datasets.clips import ClipError

    from ..models.registry import save_weights
    from ..training.modes import train_modes

    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise GfvcError("--stage modes runs in one process, without torchrun")
    try:
        weights = train_modes(options, files, device, lambda keys: tqdm(keys, unit=" key pictures", disable=None))
    except ClipError as error:
        raise GfvcError(str(error)) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{out}: SHA-256 {save_weights(weights, options.family, out)}")
    return 0


def run(args: argparse.Namespace) -> int:
    _require_datasets()
    import torch
    from tqdm import tqdm

    from datasets.clips import ClipError

    from ..models.registry import save_weights
    from ..options import choose_device
    from ..training.loop import Logged, Trainer, TrainingFiles, TrainingOptions

    logging.getLogger("gfvc").setLevel(logging.INFO)
    args.hold = tuple(args.hold)
    options = TrainingOptions(**{field.name: getattr(args, field.name) for field in fields(TrainingOptions)})
    files = TrainingFiles(
        tuple(args.clips),
        args.run_folder,
        args.labels,
        args.validation,
        args.cache,
        args.initial,
        args.teacher,
        args.init_synthesis,
    )
    out = args.out or args.run_folder / f"{options.family}.safetensors"
    if options.stage == "modes":
        return _find_modes(options, files, args.device, out)
    device = choose_device(args.device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    try:
        trainer = Trainer(options, files, device)
    except ClipError as error:
        raise GfvcError(str(error)) from None
    resumed = trainer.resume()
    main_process = trainer.rank == 0
    if main_process:
        print(
            f"{'resuming at step ' + str(trainer.step) if resumed else 'starting'}; {json.dumps(asdict(options))}; "
            f"{device}, {trainer.dtype}",
            flush=True,
        )
    with tqdm(
        total=options.steps, initial=trainer.step, unit=" steps", disable=not (main_process and sys.stderr.isatty())
    ) as bar:

        def report(logged: Logged) -> None:
            bar.update(logged.step - bar.n)
            figures = "  ".join(f"{name} {value:.4g}" for name, value in logged.figures.items())
            bar.write(f"step {logged.step}: {figures}", file=sys.stdout)
            sys.stdout.flush()

        weights = trainer.fit(log_every=args.log_every, save_every=args.save_every, report=report)
    if main_process:
        print(f"{out}: SHA-256 {save_weights(weights, options.family, out)}")
    if trainer.world > 1:
        torch.distributed.destroy_process_group()
    return 0
