//! Real servers, started by the project's own scripts; one home for what tests share.
#![allow(dead_code)] // each test uses a part of it

pub mod archive;
pub mod certs;
pub mod db;
pub mod dump;
pub mod history;
pub mod made;
pub mod past;
pub mod port;
pub mod protect;
pub mod proxy;
pub mod replica;
pub mod s3;
pub mod sealed;
pub mod serve;
