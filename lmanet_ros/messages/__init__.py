"""Between messages and arrays, tables and numbers; the node and the other programs share it."""
