"""How a record looks outside: the bytes of a message's value and of its key, readable by a stranger's consumer."""
