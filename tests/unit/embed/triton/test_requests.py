"""Texts are cut into requests of like length."""

from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.triton.requests import by_length


@given(st.lists(st.integers(0, 50)), st.integers(1, 9), st.integers(1, 120))
def test_every_text_is_in_one_request_longest_first_within_the_budget(
    lengths: list[int], max_rows: int, max_chars: int
) -> None:
    cut = [
        places.tolist()
        for places in by_length(["x" * n for n in lengths], max_rows=max_rows, max_chars=max_chars)
    ]
    order = [place for places in cut for place in places]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[place] for place in order] == sorted(lengths, reverse=True)
    for places in cut:
        assert 1 <= len(places) <= max_rows
        assert len(places) == 1 or sum(lengths[place] for place in places) <= max_chars


def test_requests_are_as_full_as_the_budget_lets_them_be() -> None:
    cut = by_length(["x" * 10] * 7 + ["x" * 100], max_rows=3, max_chars=45)
    assert [places.tolist() for places in cut] == [[7], [0, 1, 2], [3, 4, 5], [6]]
