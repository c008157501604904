"""What each pattern of ``source.mask`` masks, what it leaves, and which patterns are refused."""

from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.decode.masking import PATTERNS, masked, patterns_of
from dataflow.errors import SettingsError
from dataflow.settings import Settings, load
from tests.support.decoding import event, line, run


def mask(text: str, *patterns: str) -> str:
    """``text``, masked; the text itself if that changes nothing."""
    found: str | None = masked(pa.array([text]), patterns_of(patterns))[0].as_py()
    assert found != text
    return text if found is None else found


MASKED = [
    (
        "path",
        "generated 128 core files for program /g/g24/germann2/SPaSM_mpi",
        "generated 128 core files for program <path>",
    ),
    ("path", "LOGIN chdir(/p/gb1) failed: No such file", "LOGIN chdir(<path>) failed: No such file"),
    (
        "path",
        "Error loading ./runtime_malloc: Error loading ~/ab",
        "Error loading <path>: Error loading <path>",
    ),
    ("path", "Error loading /home/yates//bandwidth.rts: invalid", "Error loading <path>: invalid"),
    ("path", "open C:\\Windows\\System32\\drivers failed", "open <path> failed"),
    ("path", 'GET /api/v1/users?id=7 "file":"/etc/passwd"', 'GET <path>?id=7 "file":"<path>"'),
    ("uuid", "request 550e8400-e29b-41d4-a716-446655440000 done", "request <uuid> done"),
    ("uuid", "req_A50E8400-E29B-41D4-A716-446655440000: ok", "req_<uuid>: ok"),
    ("time", "t=4 status=M Fri Jul 01 08:16:53 PDT 2005", "t=4 status=M <time>"),
    ("time", "Dec  9 06:55:46 LabSZ sshd", "<time> LabSZ sshd"),
    ("time", "[10/Oct/2026:13:55:36 +0200] GET", "[<time>] GET"),
    ("time", "from 2026-11-23T11:00:00.123Z to 2026-11-23 11:00:00,5 +01:00", "from <time> to <time>"),
    ("time", "at 08:16:53, on 2026/11/23, until 23.11.2026", "at <time>, on <time>, until <time>"),
    ("hex", "CE sym 2, at 0x0b85eee0, mask 0x05", "CE sym 2, at <hex>, mask <hex>"),
    ("hex", "iar 003a90fc dear 00b360e8 and 00030000", "iar <hex> dear <hex> and <hex>"),
    ("hex", "ido chip FF:F2:9F:16:E2:23:00:0D:60:E9:1D:DC, 00:1b:44:11:3a:b7", "ido chip <hex>, <hex>"),
    ("hex", "commit deadbeef, sha 9e107d9d372bb6826bd81d3542a419d6", "commit <hex>, sha <hex>"),
    ("ip", "Invalid user webmaster from 173.234.31.186", "Invalid user webmaster from <ip>"),
    ("ip", "(CioStream socket to 172.16.96.116:33569", "(CioStream socket to <ip>:33569"),
    ("ip", "src: /10.250.19.102:54106 dest: /10.250.19.102:50010", "src: /<ip>:54106 dest: /<ip>:50010"),
    (
        "ip",
        "from 2001:db8::8a2e:370:7334 and fe80::1 and ::1, ::ffff:10.0.0.1",
        "from <ip> and <ip> and <ip>, <ip>",
    ),
    ("ip", "from 2001:0db8:85a3:0000:0000:8a2e:0370:7334 port", "from <ip> port"),
    (
        "number",
        "KERNEL INFO 63543 double-hummer alignment exceptions",
        "KERNEL INFO <number> double-hummer alignment exceptions",
    ),
    (
        "number",
        "generating core.2275 at -5, +1.5e-05, 1,234.5 or 1.2.3",
        "generating core.<number> at <number>, <number>, <number> or <number>",
    ),
    (
        "number",
        "took 153ms, 10MB/s, 99% of 5 Mbps, 3rd",
        "took <number>ms, <number>MB/s, <number>% of <number> Mbps, <number>rd",
    ),
    ("number", "blk_-1608999687919862906 blk_12_34 8k_x", "blk_<number> blk_<number> <number>k_x"),
    (
        "number",
        "alignment...............0 (0=sup,1=usr)",
        "alignment...............<number> (<number>=sup,<number>=usr)",
    ),
]
LEFT = [
    ("path", "and/or n/a 1/2 <b>x</b> http://localhost/index.html w / o"),
    ("path", "src: /10.250.19.102:50010"),
    ("uuid", "550e8400-e29b-41d4-a716-4466554400001 x550e8400-e29b-41d4-a716-446655440000"),
    ("time", "11:00 10.0.0.1 May 5 1:2:3 2026 a11:00:00 11:00:00b"),
    ("hex", "effaced cafe 12345678 abcdefgh 750cd34 0xg z9e107d9d 9e107d9dz 0x1fz"),
    ("ip", "std::vector face::add 1.2.3 1234.1.1.1 11:00:00 v1.2.3.4"),
    ("number", "sha256 R02-M1-N0-C:J12-U11 ssh2 utf8 test9 user42x 7f3a9c e08x 0x0b85eee0"),
]


@pytest.mark.parametrize(("name", "text", "expected"), MASKED)
def test_what_a_pattern_masks(name: str, text: str, expected: str) -> None:
    assert mask(text, name) == expected


@pytest.mark.parametrize(("name", "text"), LEFT)
def test_what_a_pattern_leaves(name: str, text: str) -> None:
    assert mask(text, name) == text


def test_every_pattern_is_tested() -> None:
    assert {name for name, *_ in MASKED} == {name for name, _ in LEFT} == set(PATTERNS)


def test_lines_of_one_form_become_equal() -> None:
    lines = [
        "Failed password for root from 5.36.59.76 port 42393 ssh2",
        "Failed password for root from 112.95.230.3 port 54087 ssh2",
    ]
    assert {mask(line, *PATTERNS) for line in lines} == {
        "Failed password for root from <ip> port <number> ssh2"
    }


def test_the_order_is_fixed_and_the_patterns_of_the_user_come_first() -> None:
    text = "/var/550e8400-e29b-41d4-a716-446655440000/10.0.0.1 at 2026-11-23 from 10.0.0.1 node 17"
    expected = "<path> at <time> from <ip> <node>"
    assert mask(text, "number", "ip", r"node=node\s\d+", "time", "uuid", "path") == expected


def test_patterns_of_the_user_are_applied_in_their_order() -> None:
    assert mask("ab", "one=a", "two=[ab]") == "<one><two>"
    assert mask("ab", "two=[ab]", "one=a") == "<two><two>"


def test_an_event_keeps_its_text_and_has_the_masked_text_beside_it() -> None:
    row = event(run(line(text="port 22"), mask=("number",)))
    assert (row["text"], row["masked"]) == ("port 22", "port <number>")
    assert event(run(line(text="port"), mask=("number",)))["masked"] is None
    assert event(run(line(text="port 22")))["masked"] is None


def test_a_rejected_record_leaves_the_others_with_their_masked_texts() -> None:
    decoded = run(line(text="a 1"), b"not JSON 2", line(text="b"), line(text="c 3"), mask=("number",))
    assert decoded.events.column("masked").to_pylist() == ["a <number>", None, "c <number>"]
    assert decoded.dead_letters.column("raw").to_pylist() == [b"not JSON 2"]


def test_a_text_of_a_megabyte_that_makes_other_engines_hang_is_masked() -> None:
    assert mask("a" * 1_000_000, "x=(?:a+)+b", "number") == "a" * 1_000_000


@pytest.mark.parametrize("value", ["ip number", "  number ip ", "ip\nnumber"])
def test_names_are_separated_by_blanks(value: str) -> None:
    assert set(load({"DRIFTLINE_SOURCE__MASK": value}).source.mask) == {"ip", "number"}
    assert load({"DRIFTLINE_SOURCE__MASK": ""}).source.mask == Settings().source.mask == ()


def test_a_pattern_in_a_file_may_hold_blanks(tmp_path: Path) -> None:
    config = tmp_path / "driftline.toml"
    config.write_text("[source]\nmask = ['ip', 'user=user [a-z]+']\n")
    found = load({"DRIFTLINE_CONFIG": str(config)}).source.mask
    assert mask("Invalid user admin from 10.0.0.1", *found) == "Invalid <user> from <ip>"
    config.write_text("[source]\nmask = 7\n")
    with pytest.raises(SettingsError, match=r"source\.mask=7: not a text; write one pattern, or several"):
        load({"DRIFTLINE_CONFIG": str(config)})


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("numbers", "source.mask='numbers': no such pattern; there are path, uuid, time, hex, ip, number"),
        (r"\d+", "no such pattern"),
        ("Host=web", "no such pattern"),
        ("x=(", "source.mask='x=(': not a regular expression of RE2 (missing )); correct it"),
        ("x=(?<=a)b", "RE2 has neither look-around"),
        ("x=\udcff", "not a regular expression of RE2"),
        ("x=", "source.mask='x=': matches the empty text; let it match at least one character"),
        ("x=a*", "matches the empty text"),
        (r"word=\w+", r"source.mask='word=\\w+': 'word=\\w+' would mask <word> again; make the regular"),
        ("x=number", "'x=number' would mask <number> again"),
        ("deadbeef=qq", "source.mask='deadbeef=qq': 'hex' would mask <deadbeef> again"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(item: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        patterns_of(("number", item, "hex"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
