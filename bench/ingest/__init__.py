"""HTTP ingest: Wayside against bare stacks that throw the same records away."""
