"""Writes the goldens of the metrics: python test/goldens/metrics/generate.py [--out folder]. Versions: requirements.txt."""
import argparse
import json
import random
from importlib.metadata import version
from pathlib import Path

import numpy as np
from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import f1_score
from transformers.data.metrics.squad_metrics import normalize_answer

ROOTS = """adopt agree analog angular archaeo author bless bowdler callous canning ceas certain char clear commun condition conflat control dec defens depend
die digit dy effect electric enjoy fail fall feed fil fizz flat form formal fly geo god happ hesit his hop hopeful howe id inning irrit lie log loud mot
nation news oat operat orrery outing philo plaster pon predic privat proceed rat rational real relat replac reviv roll say sens siz sk sky spy succeed
syzyg tan theo tie toy tr tree tripl troubl vietnam vile y yyy zzz x1 2nd 42 a1b2""".split()
ENDINGS = """ y ies ied ying ed ing eed eedly s ss sses es ational tional ation ator izer izers ization ize ized abli bly ably ibility ality ivity iveness
fulness ousness alism ally alli entli ently eli ely ousli ously logi logy logies logist fulli fully icate ative alize iciti icity ical ically ful ness nesses
al ance ence er ic able ible ant ement ment ent ents ion sion tion ou ism ate iti ous ive ll lled lling le led tt tted ting at ating bl bling iz izing""".split()

SENTENCES = ["", " ", "\t\n", "...", "?!", "-", "the", "The cat sat on the mat.", "the cat was sitting on the mats", "A man, a plan, a canal: Panama!",
             "state-of-the-art re-use of co-operation", "3.14159 and 1,000,000 or 42%", "10km 2nd 3rd x86_64", "don't can't won't it's", "naïve café Zürich straße",
             "ΑΒΓ ὈΔΥΣΣΕΎΣ οδος", "Привет мир", "你好 世界", "日本語テキスト mixed with English", "한국어", "مرحبا بالعالم", "İstanbul Kelvin \u212a", "ﬁne ligatures ﬂow", "emoji 😀 text 👩‍👩‍👧",
             "zero\u200bwidth\u00a0space\u2009thin", "e\u0301 combining", "ALL CAPS RUNNING RUNNERS", "running runners ran easily fairly", "dying skies lying ties",
             "a a a a a", "a b a b a b", "generously generalizations oscillators", "http://example.org/path?q=1&r=2", "<b>bold</b> &amp; more", "x" * 300, "ab " * 150,
             "the " * 40 + "end", "1", "1 2 3 4 5 6 7 8 9 10", "one two three four five six seven", "seven six five four three two one", "\u0085next\u001cline\ufeffmark", "ſharp S ẞ",
             "_underscored_ words__here", "semi;colon,comma", "'quoted' \"double\"", "fliesflies agreed feed bled sing motoring", "controlled rolling hopped hoping fizzed falling"]


def strings(rng):
    words = " ".join(SENTENCES).split() + [r + e for r in ROOTS[:40] for e in ENDINGS[:12]]
    return SENTENCES + ["".join(rng.choice([" ", " ", "-", ", ", "  "]) + rng.choice(words) for _ in range(rng.randint(1, 30))) for _ in range(80)]


def rouge(rng):
    texts, scorer, cases = strings(rng), RougeScorer(["rougeL"], use_stemmer=True), []
    for i in range(500):
        prediction = texts[i % len(texts)]
        references = [rng.choice(texts) for _ in range(rng.choice([1, 1, 2, 3]))]
        if i % 3 == 0:  # an altered copy, so that scores other than 0 are common
            words = prediction.split(" ")
            rng.shuffle(words) if i % 2 else words.insert(len(words) // 2, "inserted")
            references[-1] = " ".join(words)
        cases.append({"prediction": prediction, "references": references, "f": float(scorer.score_multi(references, prediction)["rougeL"].fmeasure)})
    return cases


def stems(rng):
    words = {r + e for r in ROOTS for e in ENDINGS} | {r + e + f for r in ROOTS[::3] for e in ENDINGS[::2] for f in ("ly", "s", "ing")}
    words |= {"".join(rng.choice("aeiouyylstbz1") for _ in range(rng.randint(1, 9))) for _ in range(1500)}
    stemmer = PorterStemmer()
    return "".join(f"{w} {stemmer.stem(w)}\n" for w in sorted(w for w in words if w))


def metaicl_f1(predicted, gold):
    """Precision of 1 for classes never predicted; only the gold classes count."""
    terms = []
    for label in set(gold):
        recall = np.mean([p == g for p, g in zip(predicted, gold) if g == label])
        named = [p == g for p, g in zip(predicted, gold) if p == label]
        precision = np.mean(named) if named else 1.0
        terms.append(0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall))
    return float(np.mean(terms))


def f1(rng):
    cases = []
    for i in range(120):
        labels = ["yes", "no", "maybe", "", "é", "0"][: rng.randint(1, 6)]
        n = rng.choice([1, 2, 3, 10, 57])
        gold = [rng.choice(labels[: max(1, len(labels) - i % 3)]) for _ in range(n)]
        predicted = [g if rng.random() < 0.5 else rng.choice(labels + ["other"] * (i % 2)) for g in gold]
        cases.append({"gold": gold, "predicted": predicted, "sklearn": float(f1_score(gold, predicted, average="macro", zero_division=0)), "metaicl": metaicl_f1(predicted, gold)})
    return cases


def squad(rng):
    more = ["The answer", "an  apple", "a", "A.", "the the", "theatre", "caféa", "éa b", "_a_ b", "a1 a 1a", "U.S.A.", "the-end", "漢a 字", "a\u0301 b", "½the", "x\u001cthe\u0085a\ufeff b"]
    return [{"text": t, "normal": normalize_answer(t)} for t in strings(rng) + more]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name) for name in ("nltk", "numpy", "rouge_score", "scikit-learn", "transformers")}
    cases = {"rouge-l": rouge(random.Random(1)), "macro-f1": f1(random.Random(2)), "squad": squad(random.Random(3))}
    for name, rows in cases.items():
        lines = ",\n".join(json.dumps(row) for row in rows)
        (out / f"{name}.json").write_text(f'{{"versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}\n')
    (out / "porter.txt").write_text(stems(random.Random(4)))


main()
