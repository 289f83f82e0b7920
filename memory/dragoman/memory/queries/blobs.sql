-- Which blobs are referred to. Each part is by its own index, whose condition it repeats.

-- :name blob_reference
-- tenant, name
SELECT 1 FROM runs INDEXED BY runs_input_blobs WHERE tenant = ?1 AND substr(input, 5, 32) = ?2 AND substr(input, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM runs INDEXED BY runs_message_blobs WHERE tenant = ?1 AND substr(message, 5, 32) = ?2 AND substr(message, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM runs INDEXED BY runs_output_blobs WHERE tenant = ?1 AND substr(output, 5, 32) = ?2 AND substr(output, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM steps INDEXED BY steps_result_blobs WHERE tenant = ?1 AND substr(result, 5, 32) = ?2 AND substr(result, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM events INDEXED BY events_data_blobs WHERE tenant = ?1 AND substr(data, 5, 32) = ?2 AND substr(data, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM checkpoints INDEXED BY checkpoints_content_blobs WHERE tenant = ?1 AND substr(content, 5, 32) = ?2 AND substr(content, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM interrupts INDEXED BY interrupts_payload_blobs WHERE tenant = ?1 AND substr(payload, 5, 32) = ?2 AND substr(payload, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM interrupts INDEXED BY interrupts_answer_blobs WHERE tenant = ?1 AND substr(answer, 5, 32) = ?2 AND substr(answer, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM artifacts INDEXED BY artifacts_data_blobs WHERE tenant = ?1 AND substr(data, 5, 32) = ?2 AND substr(data, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM store_items INDEXED BY store_items_value_blobs WHERE tenant = ?1 AND substr(value, 5, 32) = ?2 AND substr(value, 1, 4) = x'02d76467'
LIMIT 1;

-- :name ledger_name
-- Where it is not what it was born as.
SELECT name FROM identity WHERE one = 1;

-- :name ledger_born
-- When its first migration was applied.
SELECT at FROM migrations WHERE number = 1;

-- :name name_ledger
-- name
INSERT INTO identity (one, name) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET name = excluded.name;

-- :name any_blob_reference
SELECT 1 FROM runs INDEXED BY runs_input_blobs WHERE substr(input, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM runs INDEXED BY runs_message_blobs WHERE substr(message, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM runs INDEXED BY runs_output_blobs WHERE substr(output, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM steps INDEXED BY steps_result_blobs WHERE substr(result, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM events INDEXED BY events_data_blobs WHERE substr(data, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM checkpoints INDEXED BY checkpoints_content_blobs WHERE substr(content, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM interrupts INDEXED BY interrupts_payload_blobs WHERE substr(payload, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM interrupts INDEXED BY interrupts_answer_blobs WHERE substr(answer, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM artifacts INDEXED BY artifacts_data_blobs WHERE substr(data, 1, 4) = x'02d76467'
UNION ALL SELECT 1 FROM store_items INDEXED BY store_items_value_blobs WHERE substr(value, 1, 4) = x'02d76467'
LIMIT 1;
