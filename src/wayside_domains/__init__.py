"""The domains that ship with Wayside; each is a package that declares one kind of world."""
