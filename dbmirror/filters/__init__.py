"""Which packages of a snapshot are mirrored: whitelist and blacklist as data, with a reason per entry."""
