"""The only package that knows all the stages: it opens them, connects them by the plan, and ends them."""
