//! What can a person type? The only folder that prints.
//!
//! Knows everything, and is known by nobody.
