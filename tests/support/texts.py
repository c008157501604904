"""Texts of very different lengths."""

import random

WORDS = [
    "session",
    "opened",
    "for",
    "user",
    "root",
    "failed",
    "password",
    "invalid",
    "port",
    "connection",
    "closed",
    "by",
    "timeout",
    "disk",
]


def mixture(n: int, seed: int) -> list[str]:
    """Texts of 0 to 300 words, most of them short."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=int(draw.paretovariate(0.9)) % 300)) for _ in range(n)]
