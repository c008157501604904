"""Compares an exported graph and its tokenizer with ``SentenceTransformer.encode`` on difficult texts."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

#: The largest difference that fp32 may have in any component.
TOLERANCE = 1e-5

#: Texts that break tokenizers, padding, truncation or transport.
DIFFICULT_TEXTS: tuple[str, ...] = (
    "",
    " ",
    " \t\n\r ",
    "word",
    "a",
    ".",
    "The quick brown fox jumps over the lazy dog.",
    "one sentence of middling length, with punctuation; and (brackets) -- and a number: 3.14159",
    "token " * 600,
    "Several hundred different words follow. " + " ".join(f"w{i} x{i * 7}" for i in range(400)),
    "supercalifragilistic" * 60,
    "x" * 5000,
    "\U0001f600 \U0001f469\u200d\U0001f4bb \U0001f1e8\U0001f1ed emoji \U0001f525\U0001f525\U0001f525",
    "\U0001f525" * 300,
    "这是一个用来测试的中文句子，没有空格。",
    "混合 mixed 文本 text 日本語 テキスト 한국어",
    "שלום עולם — مرحبا بالعالم",
    "Café naïve résumé Zürich ﬁnancial ＡＢＣ",
    "Z̸̢͔̈ą̶̛͖l̵̥̽g̷͎̿o̶̝͝ text",
    "control \x01\x02\x07\x08\x1b[31m characters \x7f and \x85",
    "a NUL \x00 inside, and one at the end\x00",
    "a lone surrogate, replaced: \ufffd",
    "zero\u200bwidth\u200dand\ufeffmarks\u2028line\u2029paragraph",
    "ALL CAPS AND lower and MiXeD",
    "[CLS] [SEP] [MASK] [PAD] [UNK] <s> </s> <mask> <pad>",
    "Dec 10 06:55:46 host sshd[24200]: Failed password for invalid user x from 192.0.2.186 port 38926 ssh2",
    '{"json": [1, 2.5e-7, null, true], "nested": {"path": "/var/log/\\\\x"}}',
    "https://example.org/a/b?c=d&e=%20f#g user@example.org",
    "DROP TABLE users; -- ' OR '1'='1",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, π≈3.14159…",
    "नमस्ते दुनिया ไทย ไม่มีช่องว่าง",
    "\U0010ffff\ue000 private use",
)

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]


def difference(expected: npt.NDArray[np.float32], embed: Embed) -> float:
    """The largest difference in any component, over the difficult texts batched in three ways.

    The texts are embedded all together, one at a time, and all together in another order, which mixes their
    lengths. ``expected``: (len(DIFFICULT_TEXTS), dim). NaN counts as infinite.
    """
    texts = list(DIFFICULT_TEXTS)
    shuffled = np.random.default_rng(0).permutation(len(texts))
    found = (
        embed(texts),
        np.concatenate([embed([text]) for text in texts]),
        embed([texts[i] for i in shuffled])[np.argsort(shuffled)],
    )
    worst = float(np.max([np.abs(each - expected) for each in found]))
    return worst if np.isfinite(worst) else float("inf")
