//! Names: the name server that holds the scenario's zone, and each host's resolver.
