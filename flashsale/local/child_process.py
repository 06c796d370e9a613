"""Child processes that end with their parent, and that run as an ordinary account when the parent is root (Linux)."""

import ctypes
import os
import pwd
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def child_setup(death_signal: signal.Signals, *, account: pwd.struct_passwd | None = None) -> Callable[[], None]:
    """Return a function for a child to call before exec (`preexec_fn`).

    It switches to `account` if given, lets the kernel send `death_signal` when the parent dies, and unblocks signals.

    A child of root that switches to another account keeps the capability to read folders that this account may not
    read, such as a checkout below root's home; it may not write there. The parent must start it from its main thread:
    the signal is sent when that thread ends.

    Source: capabilities(7), prctl(2).
    """
    parent = os.getpid()

    def set_up() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if account:
            _become(account)
        # Last, because a change of user clears it.
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_up


def _become(account: pwd.struct_passwd) -> None:
    # PostgreSQL checks its own programs by access(2), which ignores the capabilities of accounts other than root unless
    # this bit is set. A container may not allow it; then the programs must lie where the account can read them.
    if _libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0:
        _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    # A container may lack the narrower capability.
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if _keep_capability(capability):
            return


def _keep_capability(capability: int) -> bool:
    bit = 1 << capability
    sets = (_Data * 2)(_Data(bit, bit, bit), _Data(0, 0, 0))
    if _libc.capset(ctypes.byref(_Header(CAPABILITY_VERSION_3, 0)), sets) != 0:
        return False
    return _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0
