"""Edits that come back in a table, merged three ways: what was handed out, what came back, what is there now."""
