-- References to blobs, by their tenant and name: what a sweep asks for. They begin as no other value does (memory/blobs).
CREATE INDEX runs_input_blobs ON runs (tenant, substr(input, 5, 32)) WHERE substr(input, 1, 4) = x'02d76467';
CREATE INDEX runs_message_blobs ON runs (tenant, substr(message, 5, 32)) WHERE substr(message, 1, 4) = x'02d76467';
CREATE INDEX runs_output_blobs ON runs (tenant, substr(output, 5, 32)) WHERE substr(output, 1, 4) = x'02d76467';
CREATE INDEX steps_result_blobs ON steps (tenant, substr(result, 5, 32)) WHERE substr(result, 1, 4) = x'02d76467';
CREATE INDEX events_data_blobs ON events (tenant, substr(data, 5, 32)) WHERE substr(data, 1, 4) = x'02d76467';
CREATE INDEX checkpoints_content_blobs ON checkpoints (tenant, substr(content, 5, 32)) WHERE substr(content, 1, 4) = x'02d76467';
CREATE INDEX interrupts_payload_blobs ON interrupts (tenant, substr(payload, 5, 32)) WHERE substr(payload, 1, 4) = x'02d76467';
CREATE INDEX interrupts_answer_blobs ON interrupts (tenant, substr(answer, 5, 32)) WHERE substr(answer, 1, 4) = x'02d76467';
CREATE INDEX artifacts_data_blobs ON artifacts (tenant, substr(data, 5, 32)) WHERE substr(data, 1, 4) = x'02d76467';
CREATE INDEX store_items_value_blobs ON store_items (tenant, substr(value, 5, 32)) WHERE substr(value, 1, 4) = x'02d76467';
