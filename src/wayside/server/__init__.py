"""What others may ask: ingest, queries, the live stream and the page, one file per question."""
