-- The store: items that expire, and items that are found by their words.

-- Microseconds that an item lives, and until when; NULL for ever.
ALTER TABLE store_items ADD COLUMN ttl INTEGER;
ALTER TABLE store_items ADD COLUMN expires_at INTEGER;

CREATE INDEX store_items_expiring ON store_items (expires_at) WHERE expires_at IS NOT NULL;

-- Which item a row of store_words is of.
CREATE TABLE store_texts (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    UNIQUE (tenant, namespace, key)
) STRICT;

-- The tenant is a word of its own, so that a query reads that tenant's words alone.
CREATE VIRTUAL TABLE store_words USING fts5 (tenant, text, tokenize = "unicode61 remove_diacritics 2");

INSERT INTO store_texts (tenant, namespace, key) SELECT tenant, namespace, key FROM store_items;
INSERT INTO store_words (rowid, tenant, text)
SELECT t.id, 't' || lower(hex(t.tenant)),
    (SELECT group_concat(j.atom, char(10)) FROM json_tree(CAST(i.value AS TEXT)) AS j WHERE j.type = 'text')
FROM store_texts AS t CROSS JOIN store_items AS i
    ON i.tenant = t.tenant AND i.namespace = t.namespace AND i.key = t.key;
