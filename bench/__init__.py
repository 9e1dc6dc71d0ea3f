"""Each performance claim of Wayside as a script that prints a ratio. See README.md in this folder."""
