"""Says on which device the model server runs the model, and how much memory its GPUs have."""

import re
import urllib.request

from dataflow.doctor import Finding
from dataflow.embed import repository
from dataflow.embed.triton.device import device
from dataflow.settings import Embed

#: Where Triton's metrics are, beside its gRPC port.
METRICS_PORT = 8002
_QUICK_SECONDS = 2
_MEMORY = re.compile(r"^nv_gpu_memory_(total|used)_bytes\{[^}]*\}\s+(\S+)", re.MULTILINE)


def findings(options: Embed, served: str) -> Finding:
    """The device of the ``served`` version of the model."""
    found = device(options, repository.pinned(served)[0])
    if not found:
        return Finding("device", "ok", "the config of the model does not say on which device it runs")
    if found == "cpu":
        return Finding("device", "ok", "the server runs the model on the CPU")
    return Finding("device", "ok", f"the server runs the model on a GPU; {_memory(options)}")


def _memory(options: Embed) -> str:
    url = f"http://{options.url.rpartition(':')[0]}:{METRICS_PORT}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_QUICK_SECONDS) as answer:
            text = answer.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        return f"its memory is not known, because {url} does not answer ({getattr(error, 'reason', error)})"
    found: dict[str, list[float]] = {"total": [], "used": []}
    for kind, number in _MEMORY.findall(text):
        found[kind].append(float(number))
    if not found["total"]:
        return f"its memory is not known, because {url} does not have nv_gpu_memory_total_bytes"
    free = sum(found["total"]) - sum(found["used"])
    number = len(found["total"])
    gpus = "1 GPU" if number == 1 else f"{number} GPUs"
    return f"{gpus} with {sum(found['total']) / 2**30:.1f} GiB, {free / 2**30:.1f} GiB of it free"
