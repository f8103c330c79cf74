"""Downloads whose authors publish no checksum: what was downloaded first is trusted ever after."""
