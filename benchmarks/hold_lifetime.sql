\set product random(1, 100)
\set customer random(1, 50000)
BEGIN;
UPDATE catalog_stock SET reserved = reserved + 1, version = version + 1 WHERE product_id = :product;
INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at)
VALUES (gen_random_uuid(), :product, 1, 10, 'USD', 'customer-' || :customer, 'active', now(), now() + interval '2 minutes')
RETURNING id AS hold \gset
COMMIT;
BEGIN;
UPDATE checkout_hold SET status = 'released', ended_at = now() WHERE id = :hold;
UPDATE catalog_stock SET reserved = reserved - 1, version = version + 1 WHERE product_id = :product;
COMMIT;
