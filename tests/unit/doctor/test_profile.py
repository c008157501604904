"""Which samples speak for another profile, and which do not."""

import random
from collections.abc import Callable

import pyarrow as pa
import pytest

from dataflow.doctor.profile import Masking, suggestions, try_masking
from dataflow.settings import Settings, Source
from dataflow.source.demo_log import Plan, record

WORDS = (
    "the a my our train cat office soup rain letter garden music friend doctor river coffee was is seems "
    "came went slowly never often again late red quiet strange here there today about with without and but"
)


def prose(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS.split(), k=rng.randint(4, 14)))


def chat(rng: random.Random) -> str:
    short = rng.choice(("ok", "thanks!", "on my way", "see you at 5", "lol"))
    return short if rng.random() < 0.3 else prose(rng)


def ticket(rng: random.Random) -> str:
    return f"Order {rng.randint(10_000, 99_999)}: {prose(rng)}."


def log(rng: random.Random) -> str:
    lines = (
        f"Failed password for root from 10.0.{rng.randint(0, 255)}.7 port {rng.randint(1024, 65535)} ssh2",
        f"GET /api/orders/{rng.randint(1, 9999)} took {rng.randint(1, 900)} ms",
        f"wrote /var/data/part-{rng.randint(1, 9999)}.parquet",
        f"worker {rng.randint(1, 64)} started",
        "heartbeat",
    )
    return rng.choice(lines)


Make = Callable[[random.Random], str]
PROFILES = [Settings(), Settings(profile="logs")]


def sample(make: Make, seed: int, size: int = 100) -> Masking:
    rng = random.Random(seed)
    return try_masking(pa.array([make(rng) for _ in range(size)]))


def suggested(settings: Settings, found: Masking) -> list[str]:
    return [finding.message.partition("DRIFTLINE_PROFILE=")[2] for finding in suggestions(settings, found)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [50, 100, 600])
@pytest.mark.parametrize(("make", "suits"), [(log, "logs"), (prose, "prose"), (chat, "prose")])
def test_a_clear_sample_speaks_for_one_profile(make: Make, suits: str, size: int, seed: int) -> None:
    found = sample(make, seed, size)
    for settings in PROFILES:
        expected = [] if settings.profile == suits else [f"{suits} may suit this source"]
        assert suggested(settings, found) == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [log, prose])
def test_a_small_sample_says_nothing(make: Make, seed: int) -> None:
    for settings in PROFILES:
        assert not suggestions(settings, sample(make, seed, 49))


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["heartbeat"] * 100,
        [ticket(random.Random(n)) for n in range(100)],
        [log(random.Random(n)) if n % 3 == 0 else prose(random.Random(n)) for n in range(150)],
        [record(Plan(), n)["text"] for n in range(100)],
    ],
    ids=["none", "one text", "tickets", "mixed", "demo"],
)
def test_an_unclear_sample_says_nothing(texts: list[str]) -> None:
    for settings in PROFILES:
        assert not suggestions(settings, try_masking(pa.array(texts, pa.string())))


def test_masks_of_the_user_are_left_alone() -> None:
    with_own = Settings(source=Source(mask=("ip",)))
    without = Settings(profile="logs", source=Source(mask=()))
    assert not suggestions(with_own, sample(log, 0))
    assert not suggestions(without, sample(prose, 0))


def test_the_finding_gives_its_reason() -> None:
    (finding,) = suggestions(Settings(), Masking(texts=200, changed=180, different=150, forms=12))
    assert (finding.check, finding.status) == ("profile", "ok")
    assert finding.message == (
        "masking changes 180 of 200 texts, and 150 different texts become 12, as in logs: "
        "DRIFTLINE_PROFILE=logs may suit this source"
    )
