"""The API of Confluent's schema registry, over a topic of the log."""
