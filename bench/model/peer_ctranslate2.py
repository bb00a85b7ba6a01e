"""The peer of run.ts for int8: CTranslate2 on the same weights, quantised by its own converter.

    peer_ctranslate2.py FOLDER THREADS DTYPE DEVICE COMPILE

Takes decode workloads only (CTranslate2 has no encoder of a T5 by itself); answers as peer.py does.
"""

import json
import sys
import tempfile
import time

sys.stdout, answers = sys.stderr, sys.stdout  # what libraries print does not mix with the answers
import ctranslate2
import transformers
from tokenizers import Tokenizer, models

folder, threads, dtype, device, _ = sys.argv[1:]
vocabulary = json.load(open(f"{folder}/config.json"))["vocab_size"]
pieces = ["<pad>", "</s>", "<unk>", *(f"t{i}" for i in range(3, vocabulary))]
words = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>").save_pretrained(folder)

with tempfile.TemporaryDirectory() as converted:
    ctranslate2.converters.TransformersConverter(folder).convert(converted, quantization=dtype, force=True)
    model = ctranslate2.Translator(converted, device=device, compute_type=dtype, inter_threads=1, intra_threads=int(threads))


def inputs(work: dict) -> list[list[str]]:
    """The formula of workloads.ts."""
    return [[pieces[2 + (r * 131 + i * 17 + 7) % (vocabulary - 2)] for i in range(work["length"])] for r in range(work["rows"])]


clock = time.process_time if threads == "1" else time.perf_counter  # figures.ts counts alike


def generate(rows: list[list[str]], steps: int) -> tuple[float, list[str]]:
    start = clock()
    results = model.translate_batch(rows, beam_size=1, max_decoding_length=steps, min_decoding_length=steps, max_input_length=0)
    return clock() - start, results[-1].hypotheses[0]


def run(work: dict) -> dict:
    rows = inputs(work)
    short, _ = generate(rows, work["shortSteps"])
    long, tokens = generate(rows, work["steps"])
    assert len(tokens) == work["steps"], f"{len(tokens)} tokens instead of {work['steps']}"
    return {"seconds": (long - short) / (work["steps"] - work["shortSteps"]), "check": [pieces.index(token) for token in tokens]}


def say(value: dict) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


say({"ctranslate2": ctranslate2.__version__, "computeType": model.compute_type})
for line in sys.stdin:
    say(run(json.loads(line)))
