"""Tables that smalti writes: made for people to work in, and read back exactly."""
