"""What several processes share in PostgreSQL. Extra: `postgres`.

Nothing is imported here: `import asyncsim` loads neither psycopg nor SQLAlchemy.
"""
