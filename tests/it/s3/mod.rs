//! Archives in a real S3 server.

mod crash;
mod faults;
mod requests;
mod store;
mod story;
mod upkeep;
