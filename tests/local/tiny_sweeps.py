"""Sweeps of our own trainer that take seconds: a tiny model and a few made-up reviews."""

import csv
import json
import random
from pathlib import Path
from typing import Any

GOOD, BAD = ("good", "great", "fun", "bright"), ("bad", "awful", "dull", "sad")
WORDS = ("the", "a", "movie", "film", "is", "was", *GOOD, *BAD)


def make_material(folder: Path, hidden_size: int) -> Path:
    """Fill a folder with a model of two layers and reviews whose label follows from their words; returns it."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    model = folder / "model"
    model.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    BertTokenizer(vocab={word: i for i, word in enumerate(vocabulary)}).save_pretrained(model)
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=hidden_size,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    BertForSequenceClassification(config).bert.save_pretrained(model)
    draw = random.Random(0)
    with (folder / "reviews.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for _ in range(200):
            words = draw.choices(WORDS, k=6)
            balance = sum(word in GOOD for word in words) - sum(word in BAD for word in words)
            rows.writerow([" ".join(words), "pos" if balance + draw.random() > 0.5 else "neg"])
    return folder


def write_sweep(folder: Path, export: Path | None = None, data_orders: int = 2, **fine_tuning: Any) -> Path:
    """A sweep with a cut, of two weight-init seeds; `fine_tuning` over the usual settings. Its paths are relative."""
    settings = {
        "model": "model",
        "dataset": {"train": "reviews.csv", "split": {"validation": 50, "test": 50}, "maxLength": 16},
        "metric": {"name": "accuracy", "goal": "maximize"},
        "epochs": 2,
        "batchSize": 8,
        "learningRate": "1e-3",
        "evaluationsPerEpoch": 5,
        "precision": "fp32",
        **fine_tuning,
    }
    spec = {
        **({"export": {"uri": str(export)}} if export is not None else {}),
        "seeds": {"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": data_orders}}},
        "parallelism": 2,
        "earlyStopping": {"rungs": [{"atPercent": 40, "keep": 1}]},
        "trainer": {"fineTuning": settings},
    }
    head = {"apiVersion": "seedsweep.io/v1alpha1", "kind": "SeedSweep", "metadata": {"name": "ours"}}
    path = folder / "sweep.yaml"
    path.write_text(json.dumps({**head, "spec": spec}))
    return path
