//! What do dump files and binlog files on disk tell? The same as a live server, as far as they reach.
