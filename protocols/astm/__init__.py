"""ASTM: the low level protocol (E1381 / LIS01-A2) and its records (E1394 / LIS02-A2)."""
