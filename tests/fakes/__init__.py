"""Stand-ins for what lies outside: they speak real bytes over real sockets."""
