"""The gateway's figures for Prometheus: families of samples, their text, and the endpoint that serves it."""
