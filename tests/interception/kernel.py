"""The kernel's rules, and the programs that keep them, in miniature."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.errors import InterceptionError, KernelLacksRules, TableOfOthers


@dataclass
class Kernel:
    """``programs`` are installed; those of ``lacks`` find nothing to speak to, those of ``refuses``
    fail whenever they are to change something. Who waits for ``interrupted_at`` to change something
    is interrupted, once: before that is done, or with ``is_late`` after it. The table of those of
    ``not_read`` is one that only nft can read."""

    programs: set[str] = field(
        default_factory=lambda: (
            {f"{name}{suffix}" for name in ("iptables", "ip6tables") for suffix in ("", "-restore")}
            | {"nft"}
        )
    )
    lacks: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    not_read: set[str] = field(default_factory=set)
    interrupted_at: str = ""
    is_late: bool = False
    tables: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(
        default_factory=lambda: {"iptables": ["-P OUTPUT ACCEPT"], "ip6tables": []}
    )

    def find(self, program: str) -> str | None:
        return f"/usr/sbin/{program}" if program in self.programs else None

    def run(self, command: Sequence[str], text: str = "") -> str:
        program = command[0].removesuffix("-restore")
        if program in self.lacks:
            raise KernelLacksRules(f"{command[0]} lacks it")
        if program in self.not_read:
            raise TableOfOthers(f"{command[0]} failed: use nft")
        if text and program in self.refuses:
            raise InterceptionError(f"{command[0]} failed: out of luck")
        if text and program == self.interrupted_at:
            self.interrupted_at = ""
            if self.is_late:
                self.run(command, text)
            raise KeyboardInterrupt
        if program == "nft":
            return self._change_tables(text) if text else self._list_tables(command)
        if text:
            self.rules[program] = restore(self.rules[program], text)
        return "\n".join(self.rules[program])

    def _list_tables(self, command: Sequence[str]) -> str:
        if command[-1] == "tables":
            return "".join(f"table inet {name}\n" for name in self.tables)
        if command[-1] == "chains":
            return ""
        if command[-1] == "nat":
            rules = self.rules["iptables" if command[-2] == "ip" else "ip6tables"]
            return "".join(f"\tchain {rule[3:]} {{\n" for rule in rules if rule.startswith("-N "))
        return self.tables[command[-1]]

    def _change_tables(self, text: str) -> str:
        while text:
            verb, _, name = text.partition("\n")[0].partition(" table inet ")
            if verb == "add":
                self.tables.setdefault(name, "")
            elif verb == "delete":
                del self.tables[name]
            else:
                self.tables[text.split()[2]] = text
                break
            text = text.partition("\n")[2]
        return ""


def restore(rules: list[str], text: str) -> list[str]:
    """What ``iptables-restore --noflush`` makes of the rules."""
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("*nat", "COMMIT")
    for line in lines[1:-1]:
        verb, _, rest = line.partition(" ")
        chain = rest.split()[0]
        if verb.startswith(":"):
            rules = [rule for rule in rules if not rule.startswith(f"-A {verb[1:]} ")]
            declared = f"-N {verb[1:]}"
            rules += [declared] if declared not in rules else []
        elif verb == "-A":
            assert f"-N {chain}" in rules
            rules = [*rules, line]
        elif verb == "-D":
            rules = rules.copy()
            rules.remove(f"-A {rest}")
        elif verb == "-I":
            assert f"-N {rest.split()[-1]}" in rules
            rules = [f"-A {rest.replace(' 1 ', ' ', 1)}", *rules]
        else:
            assert verb == "-X"
            uses = [rule for rule in rules if not rule.startswith("-N ")]
            assert not any(chain in rule.split() for rule in uses)
            rules = [rule for rule in rules if rule != f"-N {chain}"]
    return rules
