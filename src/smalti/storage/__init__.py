"""Where data lies: places on any file system, writes that are whole or absent, and image files."""
