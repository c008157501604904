"""What is quoted of the server's log."""

from pathlib import Path

import pytest

from export.serve.readiness import errors_in


@pytest.mark.parametrize(
    ("lines", "quoted"),
    [
        (["I1125 started", "E1125 no such model", "I1125 ending"], ["E1125 no such model"]),
        (
            ["E1125 CudaDriverHelper: no GPU", "", "I1125 ending", "  "],
            ["E1125 CudaDriverHelper: no GPU", "I1125 ending"],
        ),
        (["error: creating server: port"], ["error: creating server: port"]),
        ([f"E1125 {n}" for n in range(40)], [f"E1125 {n}" for n in range(28, 40)]),
        ([], []),
    ],
)
def test_errors_are_quoted_or_else_the_end_of_the_log(
    tmp_path: Path, lines: list[str], quoted: list[str]
) -> None:
    log = tmp_path / "triton.log"
    log.write_bytes("\n".join(lines).encode() + b"\xff" * (not lines))
    assert errors_in(log).splitlines() == (quoted or ["\ufffd"])
