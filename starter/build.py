"""`python -m starter.build`: make the corpus, the tokenizer and the base model anew, into `starter/model/`.

Safe to kill and start again: pretraining goes on from its last saved state in `build/starter/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path

import torch

from starter.corpus import CORPUS_BYTES, CORPUS_SEED, corpus_hash, documents
from starter.pretrain import PretrainConfig, pack, pretrain
from starter.tokens import save_tokenizer, train_tokenizer
from starter.world import SEED

HERE = Path(__file__).parent
MODEL = HERE / "model"
VALIDATION_DOCUMENTS = 600
CODE = ("world", "phrases", "scenes", "corpus", "corpus_kinds", "tokens", "muon", "pretrain")


def code_version() -> str:
    """A hash over the sources that decide what the model becomes."""
    digest = hashlib.sha256()
    for name in CODE:
        digest.update((HERE / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def build(config: PretrainConfig, work: Path, out: Path, seconds: float = math.inf) -> dict[str, object]:
    work.mkdir(parents=True, exist_ok=True)
    code = code_version()
    texts = list(documents())
    train_texts, validation_texts = texts[:-VALIDATION_DOCUMENTS], texts[-VALIDATION_DOCUMENTS:]
    tokenizer = train_tokenizer(train_texts)
    train_ids, validation_ids = pack(train_texts, tokenizer), pack(validation_texts, tokenizer)
    print(f"corpus: {len(texts):,} documents, {len(train_ids):,} tokens, sha256 {corpus_hash(texts)[:16]}", flush=True)
    model, measures = pretrain(train_ids, validation_ids, tokenizer, config, work / "pretrain.pt", seconds)
    # Half precision halves the file; the config asks for float32, so that loading gives weights fit for training.
    model.half().save_pretrained(out)
    described = json.loads((out / "config.json").read_text())
    described.pop("torch_dtype", None)
    described["dtype"] = "float32"
    (out / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    save_tokenizer(tokenizer, out)
    provenance: dict[str, object] = {
        "world_seed": SEED,
        "corpus_seed": CORPUS_SEED,
        "corpus_bytes": CORPUS_BYTES,
        "corpus_sha256": corpus_hash(texts),
        "corpus_tokens": len(train_ids),
        "pretraining": asdict(config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "code_version": code,
        "torch": torch.__version__,
    }
    provenance |= {key: round(value, 4) for key, value in measures.items()}
    (out / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
    return provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=PretrainConfig.steps)
    parser.add_argument("--seed", type=int, default=PretrainConfig.seed)
    parser.add_argument("--work", type=Path, default=Path("build/starter"))
    parser.add_argument("--out", type=Path, default=MODEL)
    arguments = parser.parse_args()
    config = PretrainConfig(steps=arguments.steps, seed=arguments.seed)
    print(json.dumps(build(config, arguments.work, arguments.out), indent=2))


if __name__ == "__main__":
    main()
