"""The API of Confluent's REST Proxy, version 2: topics, producing and consuming over HTTP."""
