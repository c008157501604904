"""A library that embeds texts in its own process, and answers one request after the other.

A request is a line of JSON: ``texts``; ``alone``, whether to embed them one by one; and ``out``, the file of
numpy that the embeddings go to. The answer has the ``seconds`` of each call by the wall clock, and ``cpu_s``,
the CPU seconds of all calls.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

#: Texts in one batch of the model, for all libraries and servers that have such a setting.
BATCH = 32


def answer(embed: Callable[[list[str]], Any]) -> None:
    """Answer the requests of stdin until it ends. ``embed``: texts to ``(n, dim)``."""
    # What the library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        texts = request["texts"]
        calls = [[text] for text in texts] if request["alone"] else [texts]
        found, seconds, cpu = [], [], time.process_time()
        for call in calls:
            began = time.perf_counter()
            found.append(np.asarray(embed(call), np.float32))
            seconds.append(time.perf_counter() - began)
        cpu_s = time.process_time() - cpu
        np.save(request["out"], np.concatenate(found))
        print(json.dumps({"seconds": seconds, "cpu_s": cpu_s}), file=answers, flush=True)
