"""Signals are recorded and acted on at safe points: none is lost, and none hits between two steps."""

import os
import signal
import subprocess
import sys

import pytest

from flashsale.core.commands.interrupts import SIGNALS
from flashsale.local.child_process import child_setup
from flashsale.tests.support.processes import PROJECT, WAIT_SECONDS
from flashsale.tests.support.source_code import production_modules

BEGIN = """
import gc, os, signal, sys, weakref
from flashsale.core.commands.interrupts import Interrupted, interrupts
number = int(sys.argv[1])
come = lambda *_: os.kill(os.getpid(), number)
class Thing: pass
"""
# Where Python drops an exception of a signal handler.
CALLBACKS = {
    "fork": "os.register_at_fork(before=come)\nif os.fork() == 0: os._exit(0)\nos.wait()",
    "weak reference": "thing = Thing()\nreference = weakref.ref(thing, come)\ndel thing",
    "finalizer": "Thing.__del__ = come\nThing()",
    "garbage collector": "gc.callbacks.append(come)\ngc.collect()\ngc.callbacks.clear()",
}
CHECK = """
try:
    interrupts.check()
except Interrupted as interrupted:
    sys.exit(interrupted.exit_code)
"""


def run(program: str, *args: object, **kwargs) -> subprocess.CompletedProcess:
    argv = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.run(
        argv, cwd=PROJECT, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False, **kwargs
    )


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_a_callback_interrupts_at_the_next_safe_point(callback, number):
    ended = run(f"{BEGIN}interrupts.hold()\n{CALLBACKS[callback]}\n{CHECK}", int(number))

    assert (ended.returncode, ended.stderr) == (128 + number, "")


@pytest.mark.parametrize("callback", CALLBACKS)
def test_control_an_exception_of_a_signal_handler_is_lost_in_a_callback(callback):
    ended = run(f"{BEGIN}{CALLBACKS[callback]}\n{CHECK}", int(signal.SIGINT))

    assert ended.returncode == 0
    assert "ignored" in ended.stderr


def test_a_pending_blocked_signal_is_recorded_by_hold():
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, {number})\ncome()\n"

    ended = run(f"{BEGIN}{blocked}interrupts.hold()\n{CHECK}", int(signal.SIGTERM))

    assert ended.returncode == 128 + signal.SIGTERM


def test_release_restores_the_former_handlers():
    given_back = "interrupts.hold()\ninterrupts.release()\ncome()"

    assert run(f"{BEGIN}{given_back}", int(signal.SIGTERM)).returncode == -signal.SIGTERM
    assert "KeyboardInterrupt" in run(f"{BEGIN}{given_back}", int(signal.SIGINT)).stderr


def test_release_raises_for_a_signal_received_meanwhile():
    program = "interrupts.hold()\ncome()\ntry:\n    interrupts.release()\nexcept Interrupted: print('raised')"

    ended = run(f"{BEGIN}{program}", int(signal.SIGHUP))

    assert (ended.returncode, ended.stdout) == (0, "raised\n")


def test_the_end_of_the_interpreter_is_not_cut_short():
    ended = run(f"{BEGIN}interrupts.hold()\ninterrupts.finish()\nimport atexit\natexit.register(come)\n", 2)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_sighup_does_not_stop_a_program_started_with_nohup():
    ended = run(f"{BEGIN}signal.signal(number, signal.SIG_IGN)\ninterrupts.hold()\ncome()\n{CHECK}", 1)

    assert ended.returncode == 0


def test_no_signal_is_blocked_in_a_child():
    look = "import signal; print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        ended = run(look, preexec_fn=child_setup(signal.SIGTERM))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert ended.stdout == "0\n"


@pytest.mark.parametrize("command", [["check"], ["help"], ["up"]], ids=str)
def test_manage_holds_signals_before_it_imports_anything(command, tmp_path):
    look = (
        "import builtins, runpy, signal, sys\n"
        "imported = builtins.__import__\n"
        "def look(name, *args, **kwargs):\n"
        "    if name.partition('.')[0] in ('flashsale', 'django', 'celery'):\n"
        "        print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), flush=True)\n"
        "        import os; os._exit(0)\n"
        "    return imported(name, *args, **kwargs)\n"
        "builtins.__import__ = look\n"
        "sys.argv = ['manage.py', *sys.argv[1:]]\n"
        "runpy.run_path('manage.py', run_name='__main__')\n"
    )

    ended = run(look, *command, env=os.environ | {"STATE_DIR": str(tmp_path)})

    assert ended.stdout == f"{len(SIGNALS)}\n", ended.stderr


def test_only_one_module_sets_signal_handlers():
    paths = [PROJECT / "manage.py", *production_modules()]

    deciding = [str(path.relative_to(PROJECT)) for path in paths if "signal.signal(" in path.read_text()]

    assert deciding == ["flashsale/core/commands/interrupts.py"]
