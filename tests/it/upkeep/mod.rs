//! Does the archive answer alike while it is made smaller, however that is stopped, and does what goes really go?

pub mod answers;
mod asked;
mod beside;
mod compacted;
mod faulty;
mod interrupted;
pub mod random;
mod retained;
pub mod shared;
mod typed;
