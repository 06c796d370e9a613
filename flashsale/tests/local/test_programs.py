"""How the programs of a local system are stopped."""

from flashsale.local.programs import LocalSystem, Program
from flashsale.tests.support.processes import wait_until

# Waits, when it is told to stop, until the program named $2 has been told, too.
COMPANION = """
trap 'touch $1.told; while [ ! -e $2.told ]; do sleep 0.02; done; touch $1.ended; exit' TERM
touch $1.ready
while :; do sleep 0.02; done
"""
# Notes what has ended when it is told to stop.
CALLED = """
trap 'ls *.ended > seen; exit' TERM
touch called.ready
while :; do sleep 0.02; done
"""


def test_programs_are_told_to_stop_at_once_and_those_that_the_others_call_afterwards(tmp_path):
    system = LocalSystem(tmp_path / "logs", cwd=tmp_path)
    system.start(Program("called", ["sh", "-c", CALLED], serves_others=True))
    for name, other in (("first", "second"), ("second", "first")):
        system.start(Program(name, ["sh", "-c", COMPANION, "sh", name, other]))
    wait_until(lambda: len(list(tmp_path.glob("*.ready"))) == 3, what="all run")

    system.stop()

    assert (tmp_path / "seen").read_text().split() == ["first.ended", "second.ended"]
