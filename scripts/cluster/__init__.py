"""The servers of the cluster profile as plain processes on loopback, for `make cluster` and for the tests."""
