"""How `make bench` reads its command line, chooses another revision, sums its rounds up, and counts processor time."""

import os
import subprocess
import sys
from decimal import Decimal

import pytest

from benchmarks import checkouts, costs, processor_time, results, sale
from benchmarks.in_process import Spent
from benchmarks.loads import SCENARIOS
from benchmarks.paid_flows import provider
from benchmarks.wrk import Load
from payments.providers import PROVIDERS


def load(per_second: float, *, p50_ms: float = 10.0, statuses: dict[int, int] | None = None, lost: int = 0) -> Load:
    return Load(per_second, p50_ms, 2 * p50_ms, statuses or {200: 1}, lost)


def row(ours, theirs, *, promised: float = 0.9) -> results.Row:
    """A row whose sides return these loads in turn."""
    ours, theirs = iter(ours), iter(theirs)
    sides = results.Side("a", lambda: next(ours)), results.Side("b", lambda: next(theirs))
    return results.Row(promised, *sides, warms_up=False)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(results, "PAUSE_SECONDS", 0)


def test_each_column_is_the_median_of_the_rounds():
    rows = [row([load(90), load(300), load(100)], [load(100), load(200), load(50)])]

    [result] = results.measure(rows, rounds=3)

    assert (result.ours.per_second, result.theirs.per_second) == (100, 100)
    assert result.ratio == 1
    assert result.range == (0.9, 2)


def test_the_side_that_goes_first_changes_from_round_to_round():
    turns = []

    def side(name):
        return results.Side(name, lambda: turns.append(name) or load(1))

    results.measure([results.Row(1, side("a"), side("b"), warms_up=False)], rounds=3)

    assert "".join(turns) == "abbaab"


def test_a_side_of_several_rows_is_measured_once():
    sides = [results.Side(name, iter([load(speed)]).__next__) for name, speed in (("a", 8), ("b", 4), ("c", 2))]
    ours, *theirs = sides

    measured = results.measure([results.Row(1, ours, other, warms_up=False) for other in theirs], rounds=1)

    assert [result.ratio for result in measured] == [2, 4]


def test_answers_of_one_status_can_be_counted_alone():
    answers = load(300, statuses={201: 2, 503: 1})

    assert [answers.only(status).per_second for status in (201, 503, 500)] == [200, 100, 0]


def test_a_row_below_its_promise_is_marked():
    [result] = results.measure([row([load(80)], [load(100)])], rounds=1)

    assert not result.is_kept
    assert results.table([result]).splitlines()[-1] == (
        "| a | 80 | 10.0 | 20.0 | b | 100 | 10.0 | 20.0 | 0.80 | 0.80 to 0.80 | 0.90 (missed) |"
    )


@pytest.mark.parametrize("bad", [load(1, statuses={200: 9, 503: 1}), load(1, statuses={429: 1}), load(1, lost=1)])
def test_an_unexpected_status_ends_the_run(bad):
    with pytest.raises(SystemExit, match="b: unexpected answers"):
        results.measure([row([load(1)], [bad])], rounds=1)


def test_all_rows_are_measured_by_default():
    assert sale.parse([]).rows == list(sale.ROWS)
    assert sale.parse(["--against", "aadbd26"]).rows == list(SCENARIOS)


def test_a_cost_is_the_best_round_in_microseconds_of_one_request():
    kind = costs.Kind("read", lambda _: [], at_most=3)
    seconds = [Spent(own=0.4, others=0.0), Spent(own=0.3, others=0.1)]
    spent = {(costs.BARE, "all"): [Spent(own=0.1, others=0.0)], ("read", "all"): seconds}

    bare, cost = costs.costs_of([kind], spent)

    assert (bare.all * costs.REQUESTS, cost.all * costs.REQUESTS) == pytest.approx((100_000, 300_000))
    assert cost.ratio == pytest.approx(4)
    assert not cost.is_kept
    assert costs.table([cost]).endswith("| 0 | 4.0 | 3.0 (missed) |")


def test_the_worker_threads_do_not_count_for_the_own_share_of_a_request():
    kind = costs.Kind("hold", lambda _: [], at_most=6, counts_workers=False)
    spent = {(costs.BARE, "all"): [Spent(own=0.1, others=0.0)], ("hold", "all"): [Spent(own=0.3, others=9.0)]}

    [_, cost] = costs.costs_of([kind], spent)

    assert cost.ratio == pytest.approx(3)
    assert cost.is_kept


def test_the_provider_tells_of_a_payment_as_stripe_does(settings):
    settings.STRIPE_WEBHOOK_SECRETS = [provider.WEBHOOK_SECRET]
    order = {"order_id": "01234567-89ab-4def-8123-456789abcdef", "total_amount": "29.99", "currency": "USD"}

    body, headers = provider.webhook_of(provider.paid_intent("pi_1", order))

    PROVIDERS["stripe"].verify(body, headers)
    message = PROVIDERS["stripe"].translate(body, headers)
    assert (str(message.order_id), message.payment_id) == (order["order_id"], "pi_1")
    assert (message.kind, message.amount, message.currency) == ("success", Decimal("29.99"), "USD")


def test_processor_time_is_that_of_a_process_and_its_children():
    before = processor_time.used_seconds([os.getpid()])

    subprocess.run([sys.executable, "-c", "import decimal, asyncio"], check=True)

    assert processor_time.used_seconds([os.getpid()]) > before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["speed"], "no row is called speed; there are holds, refusals, keyed, products, flows, payments, events, "),
        (["old", "--against", "HEAD"], "no row is called old; there are holds, refusals, keyed, "),
        (["--rounds", "0"], "must be at least 1"),
        (["--seconds", "0.1"], "must be at least 1"),
    ],
)
def test_an_invalid_command_line_is_refused(capsys, arguments, sentence):
    with pytest.raises(SystemExit, match="2"):
        sale.parse(arguments)

    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("revision", ["", "no-such-branch", "--help", "HEAD:README.md"])
def test_an_unknown_revision_is_refused_by_name(revision):
    with pytest.raises(SystemExit) as refusal:
        checkouts.find_commit(revision)

    assert repr(revision) in str(refusal.value)


def test_a_revision_brings_only_the_packages_that_are_not_installed():
    requirements = (
        "# the web\ndjango==1.0  # another version\npsycopg[binary,pool]==3.0\nno-such-package[x]==1.2.3 # ?\n"
    )

    assert checkouts.missing_packages(requirements) == ["no-such-package[x]==1.2.3"]
