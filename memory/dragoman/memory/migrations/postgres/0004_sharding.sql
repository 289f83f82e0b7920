-- Ready to be distributed by tenant: a shard cannot promise that something is unique but with the tenant. These numbers are given by
-- sequences, which promise it; the indexes only find them.

DROP INDEX runs_by_ordinal;
CREATE INDEX runs_by_ordinal ON runs (ordinal);
DROP INDEX deliveries_by_ordinal;
CREATE INDEX deliveries_by_ordinal ON deliveries (ordinal);
ALTER TABLE delivery_secrets DROP CONSTRAINT delivery_secrets_delivery_key;
CREATE INDEX delivery_secrets_by_delivery ON delivery_secrets (delivery);
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_number_key;
CREATE INDEX dead_letters_by_number ON dead_letters (number);
ALTER TABLE store_texts DROP CONSTRAINT store_texts_id_key;
CREATE INDEX store_texts_by_id ON store_texts (id);
