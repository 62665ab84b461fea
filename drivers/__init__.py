"""What a device is: frozen declarations; almost no code."""
