"""Running on a GPU: which provider really loads, buffers that stay where they are, shapes known beforehand, faults."""
