"""How parts are run. Parts are independent of each other, so an engine is nothing but an ordered map."""
