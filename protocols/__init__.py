"""What the bytes mean. Sans-IO: bytes and time in, events and bytes out."""
