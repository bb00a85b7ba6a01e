"""Golden of adapter folders that this package wrote: `python check_written.py [--compare] FOLDER ...`.

Loads each folder with PEFT on `models/<base_model_name_or_path>` (or --base FOLDER), insists that every tensor of the
file is placed unchanged, and writes golden.safetensors and golden.json into the folder. With --compare it writes
nothing and fails where a committed golden no longer holds.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from make.adapters import golden
from make.common import relative_error, settle, write_json, write_tensors

HERE = Path(__file__).resolve().parent


def agrees(folder: Path, tensors: dict[str, torch.Tensor], described: dict) -> bool:
    """Same adapter bytes, same answers, logits and states within 1e-5 (another CPU may sum in another order)."""
    stored = load_file(folder / "golden.safetensors")
    committed = json.loads((folder / "golden.json").read_text())
    return (
        committed["sha256"] == described["sha256"]
        and committed["greedy"]["sequences"] == described["greedy"]["sequences"]
        and stored.keys() == tensors.keys()
        and all(relative_error(tensors[name], stored[name]) <= 1e-5 for name in stored if stored[name].is_floating_point())
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--base", type=Path, help="base model folder (default: from adapter_config.json)")
    parser.add_argument("--compare", action="store_true", help="compare with the stored golden, write nothing")
    arguments = parser.parse_args()
    settle()
    failed = 0
    for folder in arguments.folders:
        name = json.loads((folder / "adapter_config.json").read_text()).get("base_model_name_or_path")
        if arguments.base is None and not name:
            parser.error(f"{folder}/adapter_config.json names no base_model_name_or_path: give --base")
        tensors, described = golden(arguments.base or HERE / "models" / name, folder)
        if not arguments.compare:
            write_tensors(folder / "golden.safetensors", tensors)
            write_json(folder / "golden.json", described)
        elif not agrees(folder, tensors, described):
            failed += 1
            print(f"{folder}: differs from its golden", file=sys.stderr)
            continue
        print(f"{folder}: logits move by {described['logits_change_from_base']:.3f}; greedy {described['greedy']['sequences']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
