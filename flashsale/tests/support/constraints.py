"""Statements that violate each named constraint of the database."""

ATTACKS = {
    "product_price_is_positive": "UPDATE catalog_product SET price = 0",
    "product_currency_is_a_code": "UPDATE catalog_product SET currency = 'us'",
    "product_sku_is_unique": "UPDATE catalog_product SET sku = 'the same'",
    "product_sku_is_printable": "UPDATE catalog_product SET sku = 'ends with a blank '",
    "product_image_url_is_absolute": "UPDATE catalog_product SET image_url = 'javascript:alert(1)'",
    "product_max_per_hold_is_positive": "UPDATE catalog_product SET max_per_hold = 0",
    "product_max_per_customer_is_positive": "UPDATE catalog_product SET max_per_customer = 0",
    "product_sale_starts_before_it_ends": "UPDATE catalog_product SET sale_starts_at = now(), sale_ends_at = now()",
    "product_sale_starts_at_is_in_range": "UPDATE catalog_product SET sale_starts_at = '1999-12-31T23:59:59Z'",
    "product_sale_ends_at_is_in_range": "UPDATE catalog_product SET sale_ends_at = 'infinity'",
    "product_queue_is_known": "UPDATE catalog_product SET queue = 'maybe', sale_starts_at = now()",
    "product_queue_has_a_start": "UPDATE catalog_product SET queue = 'on', sale_starts_at = NULL",
    "product_queue_opens_before_the_start": (
        "UPDATE catalog_product SET sale_starts_at = now(), queue_opens_at = now() - interval '299 seconds'"
    ),
    "product_queue_opens_at_is_in_range": (
        "UPDATE catalog_product SET sale_starts_at = now(), queue_opens_at = '-infinity'"
    ),
    "product_admission_rate_max_is_in_range": "UPDATE catalog_product SET admission_rate_max = 1000001",
    "stock_reserved_is_not_negative": "UPDATE catalog_stock SET reserved = -1",
    "stock_sold_is_not_negative": "UPDATE catalog_stock SET sold = -1",
    "stock_is_not_oversold": "UPDATE catalog_stock SET reserved = total, sold = 1",
    "submission_acts_once": (
        "INSERT INTO submissions_submission (token, step, outcome, made_at)"
        " SELECT token, step, 'again', now() FROM submissions_submission"
    ),
    "keyed_request_acts_once": (
        "INSERT INTO submissions_keyedrequest (client, key, fingerprint, body, headers, secrets, made_at)"
        " SELECT client, key, 'another', '', '{}', '{}', now() FROM submissions_keyedrequest"
    ),
    "outbox_sequence_is_positive": "UPDATE outbox_event SET sequence = -sequence",
    "outbox_numbering_is_one_row": "UPDATE outbox_numbering SET id = 2",
    "outbox_purged_what_was_numbered": "UPDATE outbox_numbering SET purged_through = last_sequence + 1",
    "endpoint_status_is_known": "UPDATE outbox_endpoint SET status = 'paused'",
    "endpoint_is_failing_since_a_failure": "UPDATE outbox_endpoint SET status = 'failing'",
    "endpoint_is_disabled_for_a_reason": "UPDATE outbox_endpoint SET status = 'disabled'",
    "endpoint_has_a_secret_until_it_is_deleted": "UPDATE outbox_endpoint SET secret = ''",
    "endpoint_previous_secrets_end": "UPDATE outbox_endpoint SET previous_secrets = ARRAY[secret]",
    "delivery_is_one_for_each_event": (
        "INSERT INTO outbox_delivery (endpoint_id, event_id, status, tries, next_try_at, last_answer, last_error,"
        " attempts, created_at) SELECT endpoint_id, event_id, status, tries, next_try_at, '', '', '[]', now()"
        " FROM outbox_delivery"
    ),
    "delivery_status_is_known": "UPDATE outbox_delivery SET status = 'sent', next_try_at = NULL",
    "delivery_is_tried_while_pending": "UPDATE outbox_delivery SET next_try_at = NULL",
    "delivery_delivered_with_a_time": "UPDATE outbox_delivery SET delivered_at = now()",
    "delivery_is_of_an_event_or_a_test": "UPDATE outbox_delivery SET event_id = NULL",
    "adjustment_changes_something": "UPDATE catalog_stockadjustment SET delta = 0",
    "adjustment_has_a_reason": "UPDATE catalog_stockadjustment SET reason = ''",
    "hold_is_made_once": "UPDATE checkout_hold SET idempotency_key = 'the same key', client = ''",
    "order_is_made_once": "UPDATE checkout_order SET idempotency_key = 'the same key', client = ''",
    "hold_is_one_of_its_ticket": "UPDATE checkout_hold SET status = 'active', ended_at = NULL,"
    " ticket_id = '0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11'",
    "queue_has_a_hash_with_its_seed": "UPDATE waiting_room_queue SET seed_hash = NULL",
    "queue_without_a_seed_begins_at_once": "UPDATE waiting_room_queue SET seed = NULL, seed_hash = NULL",
    "queue_serves_after_the_draw": "UPDATE waiting_room_queue SET serving = 0.5",
    "queue_is_served_forwards": "UPDATE waiting_room_queue SET drawn_at = now(), next_rate = -1",
    "queue_counts_are_not_negative": "UPDATE waiting_room_queue SET claims = -1",
    "late_tickets_are_one": (
        "INSERT INTO waiting_room_latetickets (product_id, began_at, tickets)"
        " SELECT product_id, began_at, 1 FROM waiting_room_latetickets"
    ),
    "hold_quantity_is_positive": "UPDATE checkout_hold SET quantity = 0",
    "hold_expires_after_creation": "UPDATE checkout_hold SET expires_at = created_at",
    "hold_status_is_known": "UPDATE checkout_hold SET status = 'used'",
    "hold_ended_when_not_active": "UPDATE checkout_hold SET ended_at = NULL",
    "order_quantity_is_positive": "UPDATE checkout_order SET quantity = 0, total_amount = 0",
    "order_total_is_price_times_quantity": "UPDATE checkout_order SET total_amount = total_amount + 1",
    "order_status_is_known": "UPDATE checkout_order SET status = 'done', paid_at = NULL, closed_at = NULL",
    "order_paid_at_when_paid": "UPDATE checkout_order SET paid_at = NULL",
    "order_closed_at_when_cancelled_or_expired": (
        "UPDATE checkout_order SET status = 'cancelled', paid_at = NULL, closed_at = NULL"
    ),
    "order_payment_window_is_positive": "UPDATE checkout_order SET payment_due_at = created_at",
    "order_refunds_are_not_negative": "UPDATE checkout_order SET refunded_amount = -1",
    "order_refund_is_known": "UPDATE checkout_order SET refund = 'half'",
    "order_payment_id_is_not_empty": "UPDATE checkout_order SET payment_id = ''",
    "order_metadata_is_an_object": """UPDATE checkout_order SET metadata = '["a"]'""",
    "order_restocks_units_that_it_sold": "UPDATE checkout_order SET restocked_units = quantity + 1",
    "refusal_count_is_one": (
        "INSERT INTO checkout_refusalcount (product_id, code, began_at, seconds, claims)"
        " SELECT product_id, code, began_at, seconds, 1 FROM checkout_refusalcount"
    ),
    "refusal_count_period_is_known": "UPDATE checkout_refusalcount SET seconds = 3600",
    "event_is_stored_once": (
        "INSERT INTO payments_webhookevent (provider, event_id, fingerprint, headers, type, kind, currency,"
        " amount_is_total, malformed, status, reason, attempts, last_error, received_at)"
        " SELECT provider, event_id, fingerprint, headers, type, kind, currency, amount_is_total, malformed, status,"
        " reason, attempts, last_error, received_at FROM payments_webhookevent"
    ),
    "event_status_is_known": "UPDATE payments_webhookevent SET status = 'processed'",
    "event_has_a_next_attempt_while_open": "UPDATE payments_webhookevent SET status = 'failed'",
    "payment_is_known_once": (
        "INSERT INTO payments_payment (provider, payment_id, order_id, event_id, amount, currency, status, reason,"
        " refunded_amount, created_at) SELECT provider, payment_id, order_id, event_id, amount, currency, status,"
        " reason, refunded_amount, created_at FROM payments_payment"
    ),
    "payment_status_is_known": "UPDATE payments_payment SET status = 'kept'",
    "payment_amount_is_positive": "UPDATE payments_payment SET amount = 0, refunded_amount = 0, status = 'refunded'",
    "payment_refunds_within_amount": "UPDATE payments_payment SET refunded_amount = -1",
    "payment_refunded_when_all_is_back": "UPDATE payments_payment SET status = 'refunded'",
    "event_settled_with_a_note": "UPDATE payments_webhookevent SET settled_by_id = (SELECT id FROM auth_user)",
    "payment_refunded_by_staff_with_a_note": "UPDATE payments_payment SET refunded_by_id = (SELECT id FROM auth_user)",
    "payment_refund_target_within_amount": "UPDATE payments_payment SET refund_target = amount + 1",
    "payment_refunds_without_provider": "UPDATE payments_payment SET refunded_by_other_means = refunded_amount + 1",
    "refund_request_amount_is_not_negative": "UPDATE payments_refundrequest SET amount = -1, restocked_units = 1",
    "refund_request_asks_for_something": "UPDATE payments_refundrequest SET amount = 0, restocked_units = 0",
    "refund_request_has_a_note": "UPDATE payments_refundrequest SET note = ''",
    "proved_payment_id_is_not_empty": "UPDATE checkout_provedpaymentid SET payment_id = ''",
    "proved_by_is_known": "UPDATE checkout_provedpaymentid SET proved_by = 'buyer'",
    "dispute_is_known_once": (
        "INSERT INTO payments_dispute (payment_id, dispute_id, currency, reason, status, created_at, as_of)"
        " SELECT payment_id, dispute_id, currency, reason, status, created_at, as_of FROM payments_dispute"
    ),
    "dispute_status_is_known": "UPDATE payments_dispute SET status = 'kept'",
    "refund_attempt_is_one": "UPDATE payments_refund SET attempt = 1",
    "refund_is_known_once": "UPDATE payments_refund SET refund_id = 're_1'",
    "refund_is_sent_alone": "UPDATE payments_refund SET status = 'sent'",
    "refund_status_is_known": "UPDATE payments_refund SET status = 'done'",
    "refund_amount_is_positive": "UPDATE payments_refund SET amount = 0",
    "event_source_is_known": "UPDATE payments_webhookevent SET source = 'rumour'",
    "event_cursor_is_one": (
        "INSERT INTO payments_eventcursor (provider, shop_id, read_until)"
        " SELECT provider, shop_id, read_until FROM payments_eventcursor"
    ),
    "payment_attempt_is_one": "UPDATE payments_paymentattempt SET number = 1",
    "payment_attempt_runs_alone": (
        "UPDATE payments_paymentattempt SET status = 'closing', ended_at = NULL, client_secret = ''"
    ),
    "payment_attempt_object_is_one": "UPDATE payments_paymentattempt SET object_id = 'pi_1'",
    "payment_attempt_status_is_known": (
        "UPDATE payments_paymentattempt SET status = 'paying', ended_at = now(), client_secret = ''"
    ),
    "payment_attempt_kind_is_known": "UPDATE payments_paymentattempt SET kind = 'cash'",
    "payment_attempt_amount_is_positive": "UPDATE payments_paymentattempt SET amount = 0",
    "payment_attempt_ended_with_a_time": "UPDATE payments_paymentattempt SET ended_at = now() WHERE status = 'open'",
    "payment_attempt_open_can_be_paid": "UPDATE payments_paymentattempt SET client_secret = '' WHERE status = 'open'",
    "payment_attempt_keeps_no_old_secret": (
        "UPDATE payments_paymentattempt SET client_secret = 'secret' WHERE status = 'closed'"
    ),
}
