"""Goldens of the data tests, from the libraries that define the formats.

    python -m venv venv && venv/bin/pip install pyarrow==26.0.1 jinja2==3.1.6
    venv/bin/python test/data/goldens/make.py

Writes small Parquet files (pyarrow), sampling weights (plain Python, T5's and T0's formulas) and rendered prompts (Jinja2 with the
filters that promptsource adds; `choice` takes the first item, so the goldens hold no random draw).
"""
import collections
import json
import math
import pathlib

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent


def parquet():
    rows = {
        "question": ["one", None, "three", "vier \u00e4\u00f6", "five"],
        "label": pa.array([0, 1, 2, None, 1], pa.int64()),
        "answers": [{"text": ["a", "b"], "start": [1, 2]}, {"text": ["c"], "start": [0]}, {"text": [], "start": []}, None, {"text": ["e"], "start": [3]}],
        "score": pa.array([0.5, 1.5, None, 2.0, 3.0], pa.float64()),
    }
    table = pa.table(rows)
    pq.write_table(table, HERE / "snappy.parquet", compression="snappy", row_group_size=2)
    pq.write_table(table, HERE / "zstd.parquet", compression="zstd", use_dictionary=False)


def weights():
    sizes = [7, 100, 30000, 499999, 500000, 500001, 2_000_000]
    templates = [3, 1, 11, 7, 4, 6, 9]
    raised = [min(n, 2**16) ** (1 / 2) for n in sizes]
    return {
        "sizes": sizes,
        "templates": templates,
        "t0": [n if n <= 500000 else math.floor(500000 / t) for n, t in zip(sizes, templates)],
        "min30000": [min(n, 30000) for n in sizes],
        "temperature2cap65536": [r / sum(raised) for r in raised],
    }


def most_frequent(items):
    counts = collections.Counter(items).most_common()
    return [item for item, count in counts if count == counts[0][1]]


TEMPLATES = [
    ("{{text}}\nIs it good? ||| {{ answer_choices[label] }}", "no ||| yes", {"text": " a film ", "label": 1}),
    ("{% if n > 3 %}many{% elif n == 3 %}three{% else %}few{% endif %} {{unit}}s ||| {{ n }}", None, {"n": 3, "unit": "apple"}),
    ("{% for i in range(words | length) %}\n- {{ words[i] }}{% endfor %}\nLast? ||| {{ words[-1] | upper }}", None, {"words": ["a", "b", "c"]}),
    ("{{ words[:2] | join(', ') }} ||| {{ words | choice }}", None, {"words": ["x", "y", "z"]}),
    ("{% set parts = text.split(' ') %}{{ parts | join('|') }} ||| {{ parts | length }}", None, {"text": "one two three"}),
    ("{% set seen = [] %}{% for w in words %}{% if w not in seen %}{{ seen.append(w) or '' }}{% endif %}{% endfor %}{{ seen | join(' ') }} ||| {{ seen | length }}", None, {"words": ["b", "a", "b"]}),
    ("Vote: {{ votes | most_frequent | choice }} ||| {{ votes.index('q') }}", None, {"votes": ["p", "q", "q"]}),
    ("{% if answers.text != [] %}{{question}}{% endif %} ||| {{ answers.text[0] }}", None, {"question": "who?", "answers": {"text": ["me"]}}),
    ("{% if answers.text == [] %}open{% else %}closed{% endif %} ||| {{ 'No answer' if not answers.text else 'x' }}", None, {"answers": {"text": []}}),
    ("{{ {'a': 'first', 'b': 'second'}[key] | capitalize }} ||| {{ name.strip('.') | trim }}", None, {"key": "b", "name": "..Bob. "}),
    ("{% for a, b in zip(left, right) %}{{a}}-{{b}} {% endfor %}||| {{ (score * 100) | round | int }}", None, {"left": ["p", "q"], "right": ["r", "s"], "score": 0.5}),
    ("{{ choice }} or {{ index }}? ||| {{ text.lower().replace('x', 'y') }}", None, {"choice": "field", "index": "named so", "text": "XoX"}),
    ("a ||| b in the text: {{text}} ||| {{second}}", None, {"text": "bars ||| of the data", "second": "other"}),
]


def prompts():
    env = jinja2.Environment()
    env.globals["zip"] = zip
    env.filters["choice"] = lambda items: items[0]
    env.filters["most_frequent"] = most_frequent
    out = []
    for jinja, choices, record in TEMPLATES:
        def protect(value):
            if isinstance(value, str):
                return value.replace("|||", "\ue000")
            return value
        fields = {key: protect(value) for key, value in record.items()}
        parts = lambda text: [part.strip().replace("\ue000", "|||") for part in text.split("|||")]
        options = parts(env.from_string(choices).render(**fields)) if choices else None
        out.append({"jinja": jinja, "answerChoices": choices, "record": record, "options": options, "parts": parts(env.from_string(jinja).render(**fields, answer_choices=options))})
    return out


parquet()
golden = {"versions": {"pyarrow": pa.__version__, "jinja2": jinja2.__version__}, "weights": weights(), "prompts": prompts()}
(HERE / "data.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
