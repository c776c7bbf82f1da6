//! What does a CREATE TABLE text say beyond names and types? Keys, references, checks and options.
