"""The system calls that a box refuses, as a classic BPF program for bubblewrap's `--seccomp`.

A deny list: calls that reach other processes, namespaces, mounts, keys, kernel programs, raw devices or shared memory
return EPERM, and so does `io_setup`, whose slots are counted for the whole machine. So do those that change priorities:
who lowers his own would look like a victim of a busy machine and not like one who is late (see `channel.Clock`). Only
sockets of the network and of files open. `clone3` returns ENOSYS, so that the C library falls back to `clone`, whose
flags a filter can read. A candidate may start threads and no processes: memory and processor limits of one process are
then limits of the run, and nothing can outlive it. The tester (see `tester`) runs trusted code and forks for each test,
so `fork=True` there.

x86-64 and arm64 only; elsewhere `program` is None and the box counts as incomplete. What it leaves out: it is no allow
list, so a kernel bug behind an ordinary call is not covered.
"""

from __future__ import annotations

import platform
import struct
from functools import lru_cache

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Name -> (number on x86-64, number on arm64); -1 where the call does not exist.
DENIED: dict[str, tuple[int, int]] = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "chroot": (161, 51),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "delete_module": (176, 106), "fanotify_init": (300, 262),
    "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "io_setup": (206, 0),
    "fspick": (433, 433), "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "ioperm": (173, -1), "iopl": (172, -1), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219), "lookup_dcookie": (212, 18),
    "mbind": (237, 235), "memfd_create": (319, 279), "memfd_secret": (447, 447), "mknod": (133, -1),
    "mknodat": (259, 33), "modify_ldt": (154, -1), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "move_pages": (279, 239), "mq_open": (240, 180), "msgctl": (71, 187),
    "msgget": (68, 186), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "ioprio_set": (251, 30), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "setpriority": (141, 140),
    "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pivot_root": (155, 41), "process_madvise": (440, 440), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60), "reboot": (169, 142),
    "request_key": (249, 218), "semctl": (66, 191), "semget": (64, 190), "set_mempolicy": (238, 237),
    "setdomainname": (171, 162), "setfsgid": (123, 152), "setfsuid": (122, 151), "setgid": (106, 144),
    "setgroups": (116, 159), "sethostname": (170, 161), "setns": (308, 268), "setregid": (114, 143),
    "setresgid": (119, 149), "setresuid": (117, 147), "setreuid": (113, 145), "settimeofday": (164, 170),
    "setuid": (105, 146), "shmctl": (31, 195), "shmget": (29, 194), "swapoff": (168, 225), "swapon": (167, 224),
    "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
}  # fmt: skip
FORKS = {"fork": (57, -1), "vfork": (58, -1)}
CLONE, CLONE3, IOCTL, PRCTL, SOCKET = (56, 220), (435, 435), (16, 29), (157, 167), (41, 198)
# AF_UNIX, AF_INET, AF_INET6: what a private network namespace confines. AF_VSOCK reaches the machine below, AF_ALG and
# AF_NETLINK the kernel.
_FAMILIES = (1, 2, 10)
_CLONE_THREAD, _CLONE_NEW = 0x10000, 0x7E020000  # every CLONE_NEW* flag, user and time namespaces included
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into the terminal of whoever started us
_PARENT_DEATH = 1  # prctl: a process must not forget that it dies with its parent

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_NUMBER, _MACHINE, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24  # offsets in struct seccomp_data, low words


@lru_cache(maxsize=4)
def program(*, fork: bool, machine: str = "") -> bytes | None:
    """The filter for this machine, or None for one that it is not written for."""
    machine = machine or platform.machine()
    if machine not in _AUDIT:
        return None
    column = list(_AUDIT).index(machine)
    code = [(_LOAD, 0, 0, _MACHINE), (_JUMP_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, _KILL)]
    code += [(_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":  # the x32 calls are the same ones under other numbers
        code += [(_JUMP_ABOVE, 0, 1, 0x40000000), (_RETURN, 0, 0, _ENOSYS)]
    refused = {**DENIED, **({} if fork else FORKS)}
    for number in sorted(numbers[column] for numbers in refused.values() if numbers[column] >= 0):
        code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    code += [(_JUMP_EQUAL, 0, 1, CLONE3[column]), (_RETURN, 0, 0, _ENOSYS)]
    code += _on_argument(SOCKET[column], _ARGUMENT_0, [], _FAMILIES)
    code += _on_argument(IOCTL[column], _ARGUMENT_1, [(_JUMP_EQUAL, value, True) for value in _TERMINAL_INPUT])
    code += _on_argument(PRCTL[column], _ARGUMENT_0, [(_JUMP_EQUAL, _PARENT_DEATH, True)])
    threads_only = [] if fork else [(_JUMP_ANY, _CLONE_THREAD, False)]
    code += _on_argument(CLONE[column], _ARGUMENT_0, [(_JUMP_ANY, _CLONE_NEW, True), *threads_only])
    code += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _on_argument(
    number: int, offset: int, tests: list[tuple[int, int, bool]], only: tuple[int, ...] = ()
) -> list[tuple[int, int, int, int]]:
    """For one call: refuse it if a test of its argument (jump, value, refuse when true) says so, else allow it.

    With `only` the argument must be one of these values.
    """
    body = [(_LOAD, 0, 0, offset)]
    for jump, value, when in tests:
        body += [(jump, *((0, 1) if when else (1, 0)), value), (_RETURN, 0, 0, _EPERM)]
    for value in only:
        body += [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    body += [(_RETURN, 0, 0, _EPERM if only else _ALLOW)]
    return [(_JUMP_EQUAL, 0, len(body), number), *body]
