"""The hot store in PostgreSQL: proper tables that several processes read, and people query with SQL.

How values are kept, and what PostgreSQL cannot hold, is written in `columns.py`; the layout in `migrations.py`.
"""
