//! Archives in a real S3 server.

mod crash;
mod credentials;
mod faults;
mod requests;
mod store;
mod story;
mod unit;
mod upkeep;
