"""A kernel that lacks a part of netfilter, for one command and what that starts.

Started as a program: ``kernel_without PART COMMAND…``. A filter of system calls (seccomp) gives the
answers that such a kernel gives, so that the real programs say what they say on one. ``netlink``:
no nf_tables. ``nat4``, ``nat6``: no table ``nat`` for that family, of the kernel's older interface.
Several parts are joined by commas.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

NETLINK_NETFILTER: Final = 12  # linux/netlink.h
IPT_SO_GET_INFO: Final = 64  # linux/netfilter_ipv4/ip_tables.h; the same for IPv6

# The numbers of socket(2) and getsockopt(2), and the architecture as the filter is told it.
_SYSTEM_CALLS: Final = {
    "x86_64": (0xC000003E, 41, 55),
    "aarch64": (0xC00000B7, 198, 209),
}

# linux/bpf_common.h, linux/seccomp.h, linux/prctl.h
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL_WITH = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

Instruction = tuple[int, int, int, int]
#: A system call fails with this error where its arguments at these places have these values.
Failure = tuple[int, dict[int, int], int]


def failures(parts: list[str]) -> Iterator[Failure]:
    _, socket_call, getsockopt_call = _SYSTEM_CALLS[platform.machine()]
    levels = {"nat4": socket.IPPROTO_IP, "nat6": socket.IPPROTO_IPV6}
    for part in parts:
        if part == "netlink":
            place = {0: socket.AF_NETLINK, 2: NETLINK_NETFILTER}
            yield socket_call, place, errno.EPROTONOSUPPORT
        else:
            yield getsockopt_call, {1: levels[part], 2: IPT_SO_GET_INFO}, errno.ENOENT


def build_filter(parts: list[str]) -> bytes:
    """A program for the kernel's filter of system calls."""
    architecture = _SYSTEM_CALLS[platform.machine()][0]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for call, arguments, error in failures(parts):
        tests = [(_NUMBER_AT, call)]
        tests += [(_ARGUMENTS_AT + 8 * place, value) for place, value in arguments.items()]
        for index, (offset, value) in enumerate(tests):
            to_the_end = 2 * (len(tests) - 1 - index) + 1
            program += [(_LOAD, 0, 0, offset), (_JUMP_IF_EQUAL, 0, to_the_end, value)]
        program.append((_RETURN, 0, 0, _FAIL_WITH | error))
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *each) for each in program)


def install(program: bytes) -> None:
    """Filter the system calls of this process and of all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    for option, first, second in (
        (_PR_SET_NO_NEW_PRIVS, 1, None),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described),
    ):
        if libc.prctl(option, ctypes.c_ulong(first), second, ctypes.c_ulong(0), ctypes.c_ulong(0)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def main() -> None:
    parts, command = sys.argv[1].split(","), sys.argv[2:]
    install(build_filter(parts))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
