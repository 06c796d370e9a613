BEGIN;
SELECT total - reserved - sold FROM catalog_stock WHERE product_id = :product FOR NO KEY UPDATE;
UPDATE catalog_stock SET reserved = reserved + 1, version = version + 1 WHERE product_id = :product;
INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status, created_at, expires_at)
VALUES (gen_random_uuid(), :product, 1, 10, 'USD', '', 'active', now(), now() + interval '2 minutes');
COMMIT;
