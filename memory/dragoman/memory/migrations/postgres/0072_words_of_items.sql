-- The words of deleted items, which row security hid from who deleted them.

DELETE FROM store_words AS w WHERE NOT EXISTS (SELECT FROM store_texts AS t WHERE t.id = w.id);
