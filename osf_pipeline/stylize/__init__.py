"""G-buffers and guidance to stylized layers."""
