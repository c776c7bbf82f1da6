//! Where do changes come from? Servers and files, told as `model::SourceEvent`s.
//!
//! Knows nothing of the archive.
