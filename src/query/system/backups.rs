//! What does the archive hold? SHOW CLUSTERS, BACKUPS, TRANSACTIONS and MOMENT.
