"""POCT1-A2 (CLSI POCT01-A2), the device messaging layer: XML documents in a byte stream, and the conversation they make."""
