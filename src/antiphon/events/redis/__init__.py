"""The bus between processes, over Redis Streams."""
