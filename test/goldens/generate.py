"""Regenerates every golden file beside this script: `python generate.py [--out FOLDER] [models|parity|decode|peft ...]`."""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Set-valued fields of adapter_config.json are written in hash order.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"})

from make.common import settle
from make.decode import make_decode
from make.models import make_models
from make.objectives import make_objectives
from make.optimizers import make_optimizers
from make.parity import make_parity
from make.peft_cases import make_peft
from make.tensorboard import make_tensorboard

PARTS = {"models": make_models, "parity": make_parity, "decode": make_decode, "peft": make_peft, "optimizers": make_optimizers, "objectives": make_objectives, "tensorboard": make_tensorboard}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {' '.join(PARTS)} (default: all, in this order)")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: beside this script)")
    arguments = parser.parse_args()
    settle()
    for part in arguments.parts or PARTS:
        PARTS[part](arguments.out)


if __name__ == "__main__":
    main()
