"""Writes fixtures/goldens.json: what SentencePiece, tokenizers and transformers make of odd texts.

The t5style models were trained with SentencePiece 0.2.2 (unigram, nmt_nfkc, T5's special ids; 4k: digits split and
byte fallback); their vectors.json hold its ids for running text. t5style-4k/tokenizer.json is what Tokenizer.save writes.
Needs (with the versions that goldens.json names) sentencepiece, tokenizers, transformers and protobuf.
Run from this folder: python generate_goldens.py
"""

import copy
import json
import pathlib
import random
import shutil
import tempfile
from importlib.metadata import version

import sentencepiece
import tokenizers
from transformers import T5Tokenizer

FIXTURES = pathlib.Path(__file__).parent / "fixtures"

PLAIN = [
    "Hello world",
    "The quick brown fox jumps over the lazy dog.",
    "translate English to German: That is good.",
    "Answer in 3 words: what's 12 + 345?",
    "summarize: state authorities dispatched emergency crews tuesday to survey the damage.",
    "a 🙂 b 😀😀 c",
]

ODD = [
    "", " ", "   ", "\n", "\t\r\n ", "a", "▁", "▁▁ ▁a▁", "\0", "a\0b", "\0\0 a", "\x01\x02$x", "\x7f\x85\x9f",
    "  leading", "trailing  ", "in  the   middle", "tabs\tand\nnew\r\nlines", "no\u00a0break\u2003em\u3000wide\u200bzero",
    "\u2028line\u2029paragraph", "\u0085next", "soft\u00adhyphen", "\ufeffbom", "word\u2060joiner", "\u200f\u202aright\u202c",
    "café", "cafe\u0301", "e\u0301\u0302\u0303", "\u0301 alone", "ﬁ ﬂ ﬀ ﬃ ﬄ", "ﬁ\u0301nal", "\u212b\u0301 \u017f\u0323", "ﬁ\u0301\u0302", "ＦＵＬＬ　ＷＩＤＴＨ１２３", "ﾊﾝｶｸ ｶﾞ",
    "½ ¼ ① ⑳ Ⅷ ⅳ ℃ ™ ㎏ ㍿", "x² + y³ = z₁", "ẞ ß ſ İ ı Σς", "Ǆ ǅ ǆ", "…‥ – — ‘’“”", "\ufb20\ufb2e\ufb4f", "שלום עולם", "שָׁלוֹם",
    "مرحبا بالعالم", "\ufdfa \ufdfb ﻻ", "नमस्ते दुनिया क्ष", "สวัสดีชาวโลก ำ", "தமிழ்", "한국어 각 한글 ㅎㅏㄴ", "日本語のテキスト、漢字。", "中文，标点！", "か\u3099 が",
    "👨‍👩‍👧‍👦 family", "👍🏽 thumbs", "🏳️‍🌈", "🇩🇪🇫🇷🇯", "❤️ ❤", "1️⃣ #️⃣", "𝓪𝐎𝟙 𝕳", "🙂🙃", "\U000e0067\U000e007f tags", "\u200dzwj\u200d", "a\u0600b",
    "\ufffd replacement", "\ufffe\uffff", "\U0010ffff", "\ue000 private", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ggg iii ssss ooooo", "iiiiii eee ggggg",
    "<extra_id_0>", "<extra_id_99>", "<extra_id_100>", "<extra_id_0", "extra_id_0>", "a<extra_id_0>b", "a <extra_id_0> b", "a  <extra_id_1>  b",
    "<extra_id_0><extra_id_1>", "<extra_id_0> <extra_id_1>", " <extra_id_0>.", "<extra_id_10>x<extra_id_1>0", "<extra_id_5>\n<extra_id_6>\t",
    "</s>", "<pad><unk></s>", "a</s>b", "a </s> b", "<unk>", "x<unk>é<unk>日", "<s>", "<0x41>", "<0xC3><0xA9>", "<0xZZ>", "</S>", "<EXTRA_ID_0>",
    "The <extra_id_0> walks in <extra_id_1> park</s>", "日<extra_id_0>本 <extra_id_1>é\u0301", "<sep>a<sep> word sword words", "gg ggg a gg", "Word words Word,",
    "http://example.org/?q=%20a&b=c#d", "def f(x):\n    return x**2  # ok", "{\"a\": [1, 2.5e-3, null]}", "C:\\dir\\file.txt", "100,000.00 $5 €6 £7 ¥8",
]

VERSIONS = ["sentencepiece", "tokenizers", "transformers"]


def random_texts(count, seed):
    """Texts mixed from many scripts, marks, joiners and special tokens."""
    rng = random.Random(seed)
    blocks = [
        (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0x00, 0x1F), (0x7F, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x52F),
        (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x218F), (0x2460, 0x2590), (0x3000, 0x30FF),
        (0x3130, 0x32FE), (0x4E00, 0x4EFF), (0xAC00, 0xACFF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x1D400, 0x1D4FF),
        (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F64F), (0xE0020, 0xE007F),
    ]
    strings = [text for text in ODD if 0 < len(text) < 16] + [" "] * 40 + PLAIN
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(2, 14)):
            if rng.random() < 0.5:
                parts.append(rng.choice(strings))
            else:
                low, high = rng.choice(blocks)
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 3))))
        texts.append("".join(parts))
    return texts


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def token(number, content, **flags):
    base = dict(id=number, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {**base, **flags}


def variants(charsmap):
    """Changes to the shipped tokenizer.json, by top-level key; what files in the wild look like."""
    sentinels = [token(4000 + i, f"<extra_id_{99 - i}>", lstrip=True, rstrip=True, special=True) for i in range(100)]
    return {
        "shipped": {},
        "legacy-normalizer": {
            "normalizer": {"type": "Sequence", "normalizers": [
                charsmap,
                {"type": "Strip", "strip_left": False, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
            ]},
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
            "added_tokens": sentinels,
        },
        "first-word-only": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace("first", True)]}},
        "first-unsplit": {"normalizer": {"type": "NFC"}, "pre_tokenizer": metaspace("first", False)},
        "never": {"normalizer": None, "pre_tokenizer": metaspace("never", True), "decoder": metaspace("never", True)},
        "llama-like": {
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Strip", "strip_left": True, "strip_right": False},
                {"type": "NFD"},
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ]},
            "pre_tokenizer": None,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ]},
        },
        "added-tokens": {
            "normalizer": {"type": "Sequence", "normalizers": [charsmap, {"type": "Lowercase"}]},
            "added_tokens": [
                token(1, "</s>", special=True),
                token(2, "<unk>", special=True),
                token(4100, "word", single_word=True, normalized=True),
                token(4101, "<sep>", rstrip=True, normalized=True),
                token(4102, "gg", single_word=True, lstrip=True),
                token(4103, "ggg", lstrip=True, rstrip=True, special=True),
            ],
            "decoder": None,
        },
        "compatibility-forms": {"normalizer": {"type": "NFKD"}, "post_processor": None},
    }


def encode_all(tokenizer, texts):
    rows = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        rows.append([ids, tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=False)])
    return rows


def transformers_t5(model):
    """As transformers builds it from a SentencePiece file."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(FIXTURES / f"{model}.model", f"{folder}/spiece.model")
        return T5Tokenizer.from_pretrained(folder)._tokenizer


def train_option_models(texts):
    """Tiny models for options that T5 does not use; kept once trained."""
    options = {
        "spaces-kept": dict(add_dummy_prefix=False, remove_extra_whitespaces=False, byte_fallback=True),
        "user-defined": dict(user_defined_symbols=["<sep>", "word", "gg", "ñ"]),
        "no-prefix": dict(add_dummy_prefix=False),
    }
    for name, option in options.items():
        if (FIXTURES / f"{name}.model").exists():
            continue
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_prefix=name, vocab_size=700, hard_vocab_limit=False,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity", num_threads=1, **option)
        # The prefix is recorded in the model, hence no path in it.
        shutil.move(f"{name}.model", FIXTURES)
        pathlib.Path(f"{name}.vocab").unlink()
    if not (FIXTURES / "unused.model").exists():
        from sentencepiece import sentencepiece_model_pb2

        model = sentencepiece_model_pb2.ModelProto.FromString((FIXTURES / "user-defined.model").read_bytes())
        for i, piece in enumerate(model.pieces):
            if piece.type == piece.NORMAL and i % 7 == 0:
                piece.type = piece.UNUSED
        (FIXTURES / "unused.model").write_bytes(model.SerializeToString())
    return [*options, "unused"]


def random_bytes(processor, count, seed):
    """Runs of byte pieces, most of them not valid UTF-8, with what SentencePiece decodes them to."""
    rng = random.Random(seed)
    first = processor.piece_to_id("<0x00>")
    word = processor.encode("word")[0]
    rows = []
    for _ in range(count):
        data = "".join(rng.choice("aé日🙂\u07ff\ufffd") for _ in range(4)).encode()
        data = [rng.randrange(256) if rng.random() < 0.2 else byte for byte in data if rng.random() < 0.9]
        ids = [word] + [first + byte for byte in data] + [word] * rng.randrange(2)
        rows.append([ids, processor.decode(ids)])
    return rows


def main():
    texts = PLAIN + ODD + random_texts(60, seed=7)
    shipped = json.loads((FIXTURES / "t5style-4k/tokenizer.json").read_text())
    charsmap = shipped["normalizer"]

    hf = []
    for name, change in variants(charsmap).items():
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps({**copy.deepcopy(shipped), **change}))
        change = {key: json.loads(json.dumps(value).replace(json.dumps(charsmap), '"charsmap"')) for key, value in change.items()}
        hf.append({"name": name, "change": change, "rows": encode_all(tokenizer, texts)})

    t5 = {}
    for model in ["t5style-4k", "t5style-16k"]:
        tokenizer = transformers_t5(model)
        offsets = [[list(pair) for pair in tokenizer.encode(text).offsets] for text in PLAIN]
        t5[model] = {"rows": encode_all(tokenizer, texts), "offsets": offsets}

    vectors = json.loads((FIXTURES / "t5style-16k.vectors.json").read_text())
    sp = {}
    for model in ["t5style-4k", "t5style-16k", *train_option_models([row["text"] for row in vectors if row["text"]] * 2)]:
        processor = sentencepiece.SentencePieceProcessor(model_file=str(FIXTURES / f"{model}.model"))
        rows = [processor.encode(text) for text in texts]
        sp[model] = [[ids, processor.decode(ids)] for ids in rows]

    goldens = {
        "versions": {name: version(name) for name in VERSIONS},
        "texts": texts,
        "plain": len(PLAIN),
        "tokenizers": hf,
        "transformers": t5,
        "sentencepiece": sp,
        "bytes": random_bytes(sentencepiece.SentencePieceProcessor(model_file=str(FIXTURES / "t5style-4k.model")), 60, seed=11),
    }
    (FIXTURES / "goldens.json").write_text(json.dumps(goldens, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
