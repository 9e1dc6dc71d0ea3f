"""The limit of the machine: job A in hand-written C++."""
