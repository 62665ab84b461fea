"""The appliance: everything that has state, tasks or IO."""

__version__ = "0.1.0"
