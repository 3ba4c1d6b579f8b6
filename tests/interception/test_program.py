"""A program's failure becomes one line that says what is wrong, and of which kind it is."""

from pathlib import Path

import pytest

from sidecar.errors import InterceptionError, KernelLacksRules, RulesNotPermitted, TableOfOthers
from sidecar.interception import program
from sidecar.interception.program import reason_of, run_program


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``keeper`` that says what its test wrote into ``words``, and fails."""
    script = tmp_path / "keeper"
    script.write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/words >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(program, "_PATH", str(tmp_path))
    return tmp_path / "words"


# As nft 1.0.6 and iptables 1.8.9 say it.
NFT_LACKS = (
    "/dev/stdin:4:8-14: Error: Could not process rule: Operation not supported\n"
    "\tchain inbound {\n\t      ^^^^^^^\n"
)
NFT_GUESSES = (
    "/dev/stdin:5:8-10: Error: No such file or directory; did you mean chain `inbound'?\n"
    "\t\ttype nat hook prerouting priority -110; policy accept;\n\t\t     ^^^\n"
    "/dev/stdin:4:8-14: Error: Could not process rule: No such file or directory\n"
    "\tchain inbound {\n\t      ^^^^^^^\n"
)
LEGACY_LACKS = (
    "iptables v1.8.9 (legacy): can't initialize iptables table `nat': Table does not exist "
    "(do you need to insmod?)\nPerhaps iptables or your kernel needs to be upgraded.\n"
)
NFT_FORBIDDEN = """/dev/stdin:1:1-23: Error: Could not process rule: Operation not permitted
add table inet sidecar
^^^^^^^^^^^^^^^^^^^^^^^
"""
LEGACY_FORBIDDEN = (
    "iptables v1.8.9 (legacy): can't initialize iptables table `nat': Permission denied "
    "(you must be root)\nPerhaps iptables or your kernel needs to be upgraded.\n"
)


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (NFT_LACKS, KernelLacksRules, ": Could not process rule: Operation not supported"),
        (NFT_GUESSES, KernelLacksRules, ": Could not process rule: No such file or directory"),
        (LEGACY_LACKS, KernelLacksRules, ": can't initialize iptables table `nat': Table does not"),
        (
            "iptables/1.8.9 Failed to initialize nft: Protocol not supported\n",
            KernelLacksRules,
            ": Failed to initialize nft: Protocol not supported",
        ),
        (
            "# Warning: iptables-legacy tables present, use iptables-legacy to see them\n"
            "iptables-restore v1.8.9 (nf_tables): \nline 5: RULE_APPEND failed (No such file or "
            "directory): rule in chain SIDECAR_INBOUND\n",
            KernelLacksRules,
            ": line 5: RULE_APPEND failed (No such file or directory)",
        ),
        (
            "mnl.c:60: Unable to initialize Netlink socket: Protocol not supported\n",
            KernelLacksRules,
            " needs: Unable to initialize Netlink socket: Protocol not supported",
        ),
        (
            "iptables v1.8.9 (nf_tables): table `nat' is incompatible, use 'nft' tool.\n",
            TableOfOthers,
            "keeper failed: table `nat' is incompatible, use 'nft' tool.",
        ),
        ("keeper: bad luck\n", InterceptionError, "keeper failed: keeper: bad luck"),
        ("", InterceptionError, "keeper failed: exit code 1"),
    ],
)
def test_a_refusal_is_one_line_with_the_reason(
    failing: Path, words: str, kind: type[InterceptionError], says: str
) -> None:
    failing.write_text(words)
    with pytest.raises(InterceptionError) as caught:
        run_program(("keeper",))
    assert type(caught.value) is kind
    assert says in caught.value.detail
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("words", [NFT_FORBIDDEN, LEGACY_FORBIDDEN])
def test_what_is_forbidden_says_what_it_takes(failing: Path, words: str) -> None:
    failing.write_text(words)
    with pytest.raises(RulesNotPermitted, match="NET_ADMIN"):
        run_program(("keeper",))


def test_a_program_that_does_not_end_is_not_waited_for(
    failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (failing.parent / "keeper").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(program, "_TIMEOUT_S", 0.2)
    with pytest.raises(InterceptionError, match="did not end within"):
        run_program(("keeper",))


def test_the_callers_environment_points_it_nowhere(
    failing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (failing.parent / "keeper").write_text("#!/bin/sh\n/usr/bin/env\n")
    monkeypatch.setenv("XTABLES_LIBDIR", "/tmp/evil")
    assert "evil" not in run_program(("keeper",))


def test_any_byte_may_stand_in_what_a_program_prints(failing: Path) -> None:
    (failing.parent / "keeper").write_bytes(b"#!/bin/sh\necho 'a caf\xe9, a caf\xc3\xa9'\n")
    assert run_program(("keeper",)) == "a caf\\xe9, a café\n"


def test_a_long_complaint_is_cut() -> None:
    assert len(reason_of("x" * 1000)) == 200
