"""Steps of the state machine of `test_property`: payments that the shop makes at a provider that fails and repeats."""

import contextlib
from collections import Counter

from django.db.models import Q
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.running import RunningProvider
from payments import asking, attempts, inbox
from payments.models import Payment, PaymentAttempt
from payments.providers import PROVIDERS
from payments.tests.support.attempts import let_attempt_pass

FAULTS = ["reset", "dropped", "500", "made_then_500", "502", "429", "409", "401"]
ASKED = ["POST /v1/payment_intents", "POST /v1/payment_intents/{id}/cancel", "GET /v1/payment_intents/{id}"]
TILL_SECONDS, MANY = 900, 20


class Paying:
    """The shop's own payments of the orders in the bundle `ordered`; for a machine that has `_try`."""

    ordered = Bundle("ordered")
    provider: RunningProvider

    @rule(order=ordered)
    def pay_through_the_shop(self, order):
        if order:
            self._try(lambda: attempts.request(order))

    @rule(order=ordered, card=st.sampled_from(["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"]))
    def buyer_confirms(self, order, card):
        for attempt in PaymentAttempt.objects.filter(order=order).exclude(object_id=None):
            with contextlib.suppress(ApiError):
                self.provider.pay(attempt.object_id, card=card)

    @rule(order=ordered)
    def buyer_comes_back(self, order):
        if order:
            attempts.check(order)

    @rule(order=ordered, seconds=st.sampled_from([10, 60, 310, TILL_SECONDS, 100_000]))
    def time_passes_for_a_payment(self, order, seconds):
        for attempt in PaymentAttempt.objects.filter(order=order, status__in=PaymentAttempt.UNENDED):
            let_attempt_pass(attempt, seconds=seconds)

    @rule(faults=st.lists(st.sampled_from(FAULTS), max_size=3), endpoint=st.sampled_from(ASKED))
    def provider_will_fail(self, faults, endpoint):
        self.provider.fail_next(*faults, endpoint=endpoint)

    @rule(cancel=st.sampled_from(["as_asked", "too_late"]), webhooks=st.sampled_from(["on_time", "twice", "never"]))
    def provider_behaves_otherwise(self, cancel, webhooks):
        self.provider.set_habits(cancel=cancel, webhooks=webhooks)

    @rule()
    def provider_tells(self):
        for body, headers in self.provider.take_webhooks():
            assert inbox.receive(PROVIDERS["stripe"], body=body, headers=headers).event.status != "failed"

    @rule()
    def shop_asks(self):
        attempts.run_due()
        attempts.look_up_due()

    @invariant()
    def only_pending_orders_have_open_payments(self):
        has_secret = ~Q(client_secret="") | ~Q(url="")
        shown = PaymentAttempt.objects.filter(Q(status="open") | has_secret)
        assert not shown.exclude(status="open", order__status="pending_payment").exists()

    @invariant()
    def money_is_kept_once(self):
        kept = Counter(Payment.objects.filter(status="applied").values_list("order_id", flat=True))
        assert all(count == 1 for count in kept.values())

    def everything_has_run(self) -> None:
        """Let the provider behave and all time pass: what can be paid is closed, what was paid is known."""
        self.provider.set_habits()
        self.provider.take_webhooks()
        unended = PaymentAttempt.objects.filter(status__in=PaymentAttempt.UNENDED)
        for _ in range(MANY):
            running = list(unended.all())
            if not running:
                break
            for attempt in running:
                let_attempt_pass(attempt, seconds=TILL_SECONDS)
            attempts.run_due()
        asking.sweep("stripe")
        assert not unended.all().exists()
        intents = [one for one in self.provider.objects("payment_intent") if self._is_ours(one)]
        assert {one["status"] for one in intents} <= {"succeeded", "canceled"}
        for one in intents:
            assert one["status"] == "canceled" or Payment.objects.filter(payment_id=one["id"]).exists()

    def _is_ours(self, intent: dict) -> bool:
        return PaymentAttempt.objects.filter(pk=intent["metadata"]["attempt_id"]).exists()
