"""Regions of shared memory: slots, what a killed process leaves, and a place without room."""

import errno
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.triton.region import PREFIX, Region, Slot, leftovers

_HOLD = """
import sys, time
from pathlib import Path
from dataflow.embed.triton.region import Region
print(Region(2, 100, Path(sys.argv[1])).name, flush=True)
time.sleep(600)
"""


@given(st.integers(1, 5), st.integers(1, 300), st.lists(st.booleans(), max_size=20))
def test_no_two_requests_have_the_same_bytes(slots: int, size: int, takes: list[bool]) -> None:
    """Some are taken and some are given back, in any order."""
    region = Region(slots, size)
    taken: list[Slot] = []
    for take in takes:
        if not take and taken:
            region.free(taken.pop())
        elif slot := region.take():
            taken.append(slot)
        else:
            assert len(taken) == slots
        places = sorted((slot.offset, slot.offset + size) for slot in taken)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))
        assert all(start >= 0 and end <= region.size for start, end in places)
    region.close()


def test_what_nobody_wrote_is_no_number(tmp_path: Path) -> None:
    region = Region(1, 400, tmp_path)
    slot = region.take()
    assert slot
    assert np.isnan(np.frombuffer(slot.read(400), np.float32)).all()
    assert np.isnan(np.frombuffer(slot.read(400), np.float16)).all()
    region.close()


def test_only_the_user_can_read_it_and_nothing_is_left(tmp_path: Path) -> None:
    region = Region(3, 100, tmp_path)
    assert region.path.stat().st_mode & 0o777 == 0o600
    assert region.path.stat().st_blocks * 512 >= region.size
    slot = region.take()
    region.close()
    assert not list(tmp_path.iterdir())
    # A request that is still open reads what it was given.
    assert slot
    assert len(slot.read(100)) == 100


def test_the_region_of_a_process_that_was_killed_is_removed_and_no_other(tmp_path: Path) -> None:
    mine = Region(1, 100, tmp_path)
    (tmp_path / "of-another-program").touch()
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        name = other.stdout.readline().strip()
        locked = list(leftovers(tmp_path))
        other.kill()
    assert locked == []
    assert (tmp_path / name).exists()
    assert list(leftovers(tmp_path)) == [name]
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, "of-another-program"}
    mine.close()


def test_a_full_place_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        Region(4, 1000, tmp_path)
    assert not list(tmp_path.glob(f"{PREFIX}*"))
