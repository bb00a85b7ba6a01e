"""Event files as TensorBoard's own writer frames and serialises them."""

import json
from importlib.metadata import version
from pathlib import Path

START = 1700000000.25
RECORDS = [
    {"time": START + 0.5, "step": 0, "scalars": {"train/loss": 8.75, "train/lr": 1e-3}},
    {"time": START + 1.25, "step": 1, "scalars": {"train/loss": 0.0}},
    {"time": START + 2.0, "step": 127, "scalars": {"validation/loss/größe": -1.5}},
    {"time": START + 3.0, "step": 300, "scalars": {f"validation/score {i}": i / 3 for i in range(12)}},
    {"time": START + 4.0, "step": 5_000_000_000, "scalars": {"train/norm": 3.0e38}},
]


def make_tensorboard(out: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder = out / "tensorboard"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "events.out.tfevents.golden", "wb") as stream:
        writer = RecordWriter(stream)
        writer.write(Event(wall_time=START, file_version="brain.Event:2").SerializeToString())
        for record in RECORDS:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in record["scalars"].items()]
            writer.write(Event(wall_time=record["time"], step=record["step"], summary=Summary(value=values)).SerializeToString())
        writer.flush()
    versions = {name: version(name) for name in ("tensorboard", "protobuf")}
    text = json.dumps({"versions": versions, "start": START, "records": RECORDS}, ensure_ascii=False, indent=1)
    (folder / "records.json").write_text(text + "\n", encoding="utf-8")
