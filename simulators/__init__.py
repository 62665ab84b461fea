"""The device side of every driver, and receivers for the demo and the tests."""
