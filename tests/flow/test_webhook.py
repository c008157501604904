"""Alerts of the whole flow that are posted: none is lost, whatever happens to flow and receiver."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.support.flows import ALERTING, START, environment, recovery, rows, run, start
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.processes import killed
from tests.support.webhooks import Post, Receiver, Reply, identity


def write_events(folder: Path) -> None:
    """Events of two keys, every 12 s for two hours: usual ones, and some texts that come once."""
    rng, lines = np.random.default_rng(7), []
    for number in range(600):
        text = f"usual {rng.integers(40)}" if rng.random() < 0.95 else f"odd {number}"
        at = START + timedelta(seconds=12 * number)
        lines.append({"id": f"e{number}", "host": "ab"[number % 2], "ts": at.isoformat(), "text": text})
    (folder / "0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def posting(folder: Path, receiver: Receiver, alerts: str, **more: str) -> dict[str, str]:
    """The environment of a flow that posts alerts, and writes them to the file ``alerts``."""
    wanted = {
        "DRIFTLINE_SINK__ALERTS": f"{receiver.uri}/{{api}} file:{folder}/out/{alerts}.jsonl",
        "DRIFTLINE_WEBHOOK__SPOOL": str(folder / f"spool of {alerts}"),
        "DRIFTLINE_WEBHOOK__SECRETS": "api=s3cr3t",
        "DRIFTLINE_WEBHOOK__RATE": "1000000",
        "DRIFTLINE_WEBHOOK__DRAIN": "1h",
        "DRIFTLINE_SOURCE__BATCH_ROWS": "10",
    }
    return environment(folder, **ALERTING, **wanted | more)


def by_incident(posts: list[Post]) -> dict[str, list[int]]:
    """Incident -> its sequences in the order in which they arrived for the first time."""
    found: dict[str, list[int]] = defaultdict(list)
    for incident, sequence in dict.fromkeys(map(identity, posts)):
        found[incident].append(sequence)
    return found


@pytest.mark.parametrize("processes", [1, 2])
def test_each_alert_is_posted_once_and_a_second_run_posts_nothing(tmp_path: Path, processes: int) -> None:
    write_events(tmp_path)
    with Receiver() as receiver:
        said = run(posting(tmp_path, receiver, "alerts"), "-w", "2", processes=processes)
        written = rows(tmp_path / "out/alerts.jsonl")
        assert len(written) > 10
        assert sorted(post.body for post in receiver.posts) == sorted(
            line.encode() for line in (tmp_path / "out/alerts.jsonl").read_text().splitlines()
        )
        assert all(found == sorted(found) for found in by_incident(receiver.posts).values())
        assert {post.path for post in receiver.posts} == {"/hook/s3cr3t"}
        assert "s3cr3t" not in said
        run(posting(tmp_path, receiver, "alerts"))
        assert len(receiver.posts) == len(written)


def test_kills_and_outages_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    """The flow is killed between a post and its bookkeeping; then it runs while nobody listens."""
    write_events(tmp_path)
    with Receiver() as receiver:
        run(posting(tmp_path, receiver, "undisturbed"))
        expected = {identity(post): post.body for post in receiver.posts}
        receiver.posts, receiver.taken = [], []
        env, flags = posting(tmp_path, receiver, "alerts"), recovery(tmp_path / "recovery")
        for _ in range(3):
            before = len(receiver.posts)
            with killed(start(env, *flags)) as (process,):

                def kills(_: Post, before: int = before, pid: int = process.pid) -> Reply:
                    if len(receiver.posts) > before + 3:
                        os.kill(pid, signal.SIGKILL)
                    return Reply()

                receiver.answer = kills
                assert process.wait() == -signal.SIGKILL
        receiver.answer = lambda _: Reply()
        receiver.stop()
        said = run(env | {"DRIFTLINE_WEBHOOK__DRAIN": "0s"}, *flags)
        assert "changes wait" in said
        receiver.start()
        said = run(env, *flags)
        assert "s3cr3t" not in said
    assert {identity(post) for post in receiver.taken} == set(expected)
    assert all(post.body == expected[identity(post)] for post in receiver.posts)
    assert len(receiver.posts) <= len(expected) + 3  # at most one more for each kill
    for incident, found in by_incident(receiver.taken).items():
        assert found == list(range(len(found))), incident


def test_the_commands_of_the_guide(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "guides" / "webhook.md").read_text().replace(":8089", f":{(port := free_port())}")
    commands = re.findall(r"(?ms)^```bash\n(.*?)^```$", text.replace(" 8089)", f" {port})"))
    assert len(commands) == 3
    env = environment(
        tmp_path, PYTHONPATH=str(ROOT), PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    env = {name: value for name, value in env.items() if not name.startswith("DRIFTLINE_")}
    said = [
        subprocess.run(
            ["bash", "-eu", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        ).stdout
        for command in commands
    ]
    posts = (tmp_path / "out/posts.txt").read_text().splitlines()
    assert len(posts) > 1
    assert said[1].splitlines() == posts[:2]
    for post in posts:
        key, _, body = post.partition(" ")
        row = json.loads(body)
        assert key == f"{row['incident']}-{row['sequence']}"
    assert "0 changes wait, 0 are refused" in said[2]
